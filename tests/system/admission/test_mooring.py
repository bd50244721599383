"""Mooring's account writes its record of a volume, and nothing else."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.errors import KubernetesForbidden
from mooring.models import AccessMode
from tests.devstack.contract.api import PVS, Api
from tests.harness.cluster import Cluster
from tests.harness.workers import quick, running_worker, until
from tests.system.admission.conftest import DRIVER, annotated, pv
from worker import MooringWorker

RWX = AccessMode.MULTI_NODE_MULTI_WRITER
OTHERS: dict[str, dict[str, Any]] = {
    "spec": {"spec": {"persistentVolumeReclaimPolicy": "Delete"}},
    "labels": {"metadata": {"labels": {"a": "b"}}},
    "finalizers": {"metadata": {"finalizers": ["example.com/held"]}},
    "ownerReferences": {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "node-a", "uid": "1"}]}},
    "generateName": {"metadata": {"generateName": "pv-"}},
    "other.csi.test/attached-node": {"metadata": {"annotations": {"other.csi.test/attached-node": "node-a"}}},
    "example.com/note": {"metadata": {"annotations": {"example.com/note": None}}},
    "spec, labels, example.com/note": {
        "spec": {"persistentVolumeReclaimPolicy": "Delete"},
        "metadata": {"labels": {"a": "b"}, "annotations": {"example.com/note": "b", f"{DRIVER}/attached-node": "node-a"}},
    },
}


async def test_publish_and_unpublish_go_on_as_ever(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, name: str
) -> None:
    await cluster.create(name, {"example.com/note": "kept"})
    await cluster.create(name, name=f"second-{name}")
    await until(lambda: f"second-{name}" in backed_worker.manager.pvs(name))

    first = await mooring.publish(name, "node-a", access_mode=RWX)
    second = await mooring.publish(name, "node-b", access_mode=RWX)
    again = await mooring.publish(name, "node-a", access_mode=RWX)
    written = await cluster.annotations(name)
    result = await mooring.unpublish(name)

    assert (first.persisted, second.persisted, again.reclaimed, result.annotation_cleared) == (True,) * 4
    left = {"example.com/note", cluster.keys.epoch, cluster.keys.operation, cluster.keys.also_on}
    assert set(written) == {"example.com/note", *astuple(cluster.keys)} - {cluster.keys.also_on}
    assert set(await cluster.annotations(name)) == left


@pytest.mark.parametrize("what", OTHERS)
async def test_it_may_write_nothing_else(admin: Api, mooring_account: Api, name: str, what: str) -> None:
    await admin.create(PVS, pv(name, {"example.com/note": "a"}))

    answer = await mooring_account.merge(f"{PVS}/{name}", OTHERS[what])

    assert answer.refusal() == (403, "Forbidden")
    assert answer.body["message"].endswith(
        f"PersistentVolume {name} is not changed: system:serviceaccount:mooring:mooring may write nothing but its record of the "
        f'volume, and this would have written {what}. Give what sent this an account of its own, or set "shared" in '
        "ValidatingAdmissionPolicy mooring."
    )


async def test_it_may_not_write_the_status(admin: Api, mooring_account: Api, name: str) -> None:
    await admin.create(PVS, pv(name))

    answer = await mooring_account.merge(f"{PVS}/{name}/status", {"status": {"phase": "Failed"}})

    assert "this would have written status." in answer.body["message"]


async def test_it_may_not_create_a_pv(mooring_account: Api, name: str) -> None:
    answer = await mooring_account.create(PVS, pv(name))

    assert f"PersistentVolume {name} is not created: " in answer.body["message"]


async def test_it_writes_records_of_the_drivers_in_the_policy_alone(admin: Api, mooring_account: Api, name: str) -> None:
    await admin.create(PVS, pv(name, driver="other.csi.test"))

    answer = await mooring_account.merge(f"{PVS}/{name}", annotated(attached_node="node-a"))

    assert answer.body["message"].endswith(
        f'would have written {DRIVER}/attached-node. Its driver is "other.csi.test": if Mooring serves it, add it to the drivers '
        "of ValidatingAdmissionPolicy mooring."
    )


async def test_a_publish_that_the_policy_refuses_fails_at_once_with_its_words(
    temporal_client: Client, cluster: Cluster, name: str
) -> None:
    forgotten = Cluster(cluster.server, cluster.proxy, "forgotten.csi.test")
    await forgotten.create(name)

    async with running_worker(temporal_client, quick(forgotten.driver), cluster.proxy.kubeconfig()):
        with pytest.raises(KubernetesForbidden, match=rf"{name} for node node-a.*403.* add it to the drivers of Validating"):
            await MooringClient(temporal_client, driver=forgotten.driver).publish(name, "node-a")

    assert await forgotten.annotations(name) == {}

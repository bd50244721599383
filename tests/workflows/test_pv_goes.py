"""A PV that goes while a publish acquires it: the acquisitions on it are reported, and taken back."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.faults import Loss
from mooring.errors import BackendFailed
from tests.harness.array import Array, Turn
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.patient import patient
from tests.harness.workers import indexed, quick, running_worker, until
from worker import MooringWorker


async def test_a_publish_that_fails_takes_back_a_claim_of_which_it_heard_nothing_before_its_pv_went(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    await indexed(backed_worker, "vol")
    backend.publish_errors.append(refusal())
    lost = cluster.proxy.lose_answer("PATCH", loss=Loss.HANG, times=1)
    unread = cluster.proxy.drop("GET", path=cluster.pv("vol"))
    publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=PATIENCE))
    assert await lost.landed() == 200
    await until(lambda: backed_worker.manager.nodes_of("vol") == ["node-a"])
    await cluster.delete("vol")
    await until(lambda: backed_worker.manager.pv_name("vol") is None)
    unread.stop()
    with pytest.raises(BackendFailed, match="nothing of it is left"):
        await publish

    assert (await mooring.publish("vol", "node-b")).node_id == "node-b"


async def test_an_attach_that_hangs_is_dead_once_the_volume_is_detached_though_its_pv_went_meanwhile(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    array = Array()
    array.turns["publish", "vol"].append(Turn.STRAYS)
    settings = quick(cluster.driver, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), array) as worker:
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
        await cluster.delete("vol")
        await until(lambda: worker.manager.pv_name("vol") is None)

        await mooring.unpublish("vol", "node-a")
        array.land("vol")

    assert (array.attached["vol"], array.breaches["vol"]) == (set(), [])


async def test_a_publish_goes_on_above_its_own_epoch_on_a_pv_made_anew_which_no_worker_has_seen(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    settings = patient(cluster.driver, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as worker:
        await cluster.create("vol")
        await indexed(worker, "vol")
        first = backend.publish_gate = asyncio.Event()
        publish = asyncio.create_task(mooring.publish("vol", "node-a"))
        await asyncio.wait_for(backend.entered.wait(), PATIENCE)
        await make_anew(cluster)
        backend.entered.clear()
        backend.publish_gate = asyncio.Event()
        first.set()
        await asyncio.wait_for(backend.entered.wait(), PATIENCE)
    await make_anew(cluster)
    backend.publish_gate = None

    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend):
        await publish

    tokens = [call.token or 0 for call in backend.calls]
    assert (await cluster.holder("vol"), tokens) == ("node-a", sorted(tokens))


async def test_an_unpublish_goes_on_above_its_own_epoch_on_a_pv_made_anew_which_no_worker_has_seen(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    settings = patient(cluster.driver, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as worker:
        await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "9"})
        await indexed(worker, "vol")
        backend.unpublish_gate = asyncio.Event()
        unpublish = asyncio.create_task(mooring.unpublish("vol", "node-a", deadline=PATIENCE))
        await asyncio.wait_for(backend.leaving.wait(), PATIENCE)
    await make_anew(cluster)
    backend.unpublish_gate = None

    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend):
        await unpublish
        await mooring.publish("vol", "node-b")

    tokens = [call.token or 0 for call in backend.calls]
    assert (await cluster.holder("vol"), tokens) == ("node-b", sorted(tokens))


async def make_anew(cluster: Cluster) -> None:
    """Delete the volume's PV, and create it again."""
    await cluster.delete("vol")
    await cluster.create("vol")

"""Mooring put before a driver whose volumes are attached, and taken away again."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from mooring import names
from mooring.models.reconciliation import ReconcileRequest, ReconcileResult
from mooring.settings import default_task_queue
from tests.harness.cluster import PVS, Cluster
from tests.harness.csi_client import csi_client
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.sidecar import fronting


@pytest.fixture
def driver() -> str:
    return f"d{uuid.uuid4().hex[:10]}.csi.test"


@pytest.fixture
async def storage(driver: str, tmp_path: Path) -> AsyncIterator[ReferenceDriver]:
    """The driver, which has never heard of Mooring."""
    async with ReferenceDriver.start(tmp_path, "--name", driver) as started:
        yield started


async def without_record(cluster: Cluster, handle: str) -> str:
    """Return all of the PV but the driver's annotations and the fields that the API server counts."""
    pv: dict[str, Any] = await cluster.ask("GET", f"{PVS}/{cluster.pv(handle)}")
    kept = {key: text for key, text in pv["metadata"].pop("annotations", {}).items() if not key.startswith(f"{cluster.driver}/")}
    for counted in ("resourceVersion", "managedFields"):
        pv["metadata"].pop(counted, None)
    return json.dumps([kept, pv], sort_keys=True)


async def test_a_driver_is_joined_in_mid_life_and_left_again(
    temporal_client: Client, cluster: Cluster, existing: ExistingCluster, storage: ReferenceDriver, tmp_path: Path
) -> None:
    await cluster.create("vol")
    untouched = await without_record(cluster, "vol")
    async with csi_client(storage.endpoint) as alone:
        context = await alone.publish("vol", "node-a")
    await existing.attach("vol", "node-a")

    async with fronting(temporal_client, cluster.proxy.kubeconfig(), storage.endpoint, tmp_path) as mooring:
        assert (await cluster.holder("vol"), len(storage.calls())) == ("node-a", 1)
        assert await mooring.publish("vol", "node-a") == context

    assert await without_record(cluster, "vol") == untouched
    async with csi_client(storage.endpoint) as alone:
        await alone.unpublish("vol", "node-a")
        await alone.publish("vol", "node-b")
    assert (storage.attached(), storage.violations()) == ({"vol": {"node-b"}}, [])


async def test_a_volume_in_doubt_has_no_strays(
    temporal_client: Client, cluster: Cluster, existing: ExistingCluster, storage: ReferenceDriver, tmp_path: Path
) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "7"})
    await existing.attach("vol", "node-b")
    async with csi_client(storage.endpoint) as alone:
        await alone.publish("vol", "node-b")

    settings = {"reconcile_settle": 0.1}
    async with fronting(temporal_client, cluster.proxy.kubeconfig(), storage.endpoint, tmp_path, **settings):
        result: ReconcileResult = await temporal_client.execute_workflow(
            names.RECONCILE,
            ReconcileRequest(driver=cluster.driver),
            id=names.reconcile_id(cluster.driver),
            task_queue=default_task_queue(cluster.driver),
            result_type=ReconcileResult,
        )

    assert "volume_attachment_elsewhere" in result.counts
    assert ("unknown_to_record" in result.counts, storage.attached()) == (False, {"vol": {"node-b"}})

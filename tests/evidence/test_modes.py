"""A VolumeAttachment is evidence for a holder in the mode that its PV has, which is asked for until it is known."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import Disputed
from mooring.models import AccessMode, VolumeRef
from tests.evidence.conftest import Serving
from tests.harness.cluster import Cluster
from tests.harness.departed_volumes import attach_seen, delete_seen
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.holds import hold_of
from tests.harness.patience import PATIENCE
from tests.harness.workers import indexed

SHARED = AccessMode.MULTI_NODE_MULTI_WRITER


async def is_listed(client: Client, cluster: Cluster, status: str) -> None:
    """Wait until Temporal lists an operation on the volume that ended so."""
    runs = names.runs_of(names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol")))
    async with asyncio.timeout(PATIENCE):
        while not (await client.count_workflows(f"{runs} AND ExecutionStatus = '{status}'")).count:
            await asyncio.sleep(0.05)


async def test_a_holder_of_a_shared_volume_remains_one_though_a_question_about_its_mode_had_no_answer(
    serving: Serving, cluster: Cluster, mooring: MooringClient, existing: ExistingCluster
) -> None:
    await existing.register("node-a")
    async with serving() as worker:
        await cluster.create("vol", modes=["ReadWriteMany"])
        await attach_seen(worker, existing, "vol", "node-a")
        cluster.proxy.fail("GET", path=f"/persistentvolumes/{cluster.pv('vol')}", status=503, times=1)

        await mooring.unpublish("vol", "node-b")

        assert await cluster.holder("vol") == "node-a"
        assert not (await mooring.publish("vol", "node-b", access_mode=SHARED)).reclaimed


async def test_a_node_that_an_unpublish_of_another_found_waiting_keeps_its_mode(
    serving: Serving, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    async with serving() as worker:
        await cluster.create("vol", modes=["ReadWriteMany"])
        await mooring.publish("vol", "node-c", access_mode=SHARED)
        await delete_seen(worker, cluster, "vol")
        await mooring.publish("vol", "node-a", access_mode=SHARED)
        await mooring.unpublish("vol", "node-b")
        await (await hold_of(temporal_client, cluster)).terminate()
        await cluster.create("vol", modes=["ReadWriteMany"])
        await indexed(worker, "vol")

        assert (await mooring.publish("vol", "node-b", access_mode=SHARED)).persisted


async def test_a_holder_that_was_in_doubt_without_a_pv_has_the_mode_of_the_pv_that_comes(
    serving: Serving, cluster: Cluster, mooring: MooringClient, existing: ExistingCluster, temporal_client: Client
) -> None:
    await existing.register("node-a")
    async with serving() as worker:
        await cluster.create("vol", modes=["ReadWriteMany"])
        await mooring.unpublish("vol", "node-a")
        await attach_seen(worker, existing, "vol", "node-a")
        await delete_seen(worker, cluster, "vol")
        with pytest.raises(Disputed, match="node-a"):
            await mooring.publish("vol", "node-b", access_mode=SHARED)
        await is_listed(temporal_client, cluster, "Failed")
        await cluster.create("vol", modes=["ReadWriteMany"])
        await indexed(worker, "vol")

        await mooring.publish("vol", "node-b", access_mode=SHARED)

        assert await cluster.holder("vol") == "node-a"

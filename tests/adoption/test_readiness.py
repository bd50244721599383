"""A worker serves nobody before all attachments are recorded; the next worker continues the adoption that one began."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.temporal import DevTemporal
from mooring.errors import HeldElsewhere
from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import VOLUME_ATTACHMENTS, ExistingCluster
from tests.harness.patience import PATIENCE
from tests.harness.processes import Fleet, open_fleet
from tests.harness.workers import quick, running_worker


async def test_a_worker_is_not_ready_while_nobody_says_what_is_attached(cluster: Cluster, fleet: Fleet) -> None:
    failing = cluster.proxy.fail("GET", path=VOLUME_ATTACHMENTS, status=403)
    worker = await fleet.start()

    assert "MOORING_ADOPT=false" in await worker.answers(503, "Could not list VolumeAttachments")

    failing.stop()
    await worker.ready()


async def test_nobody_is_served_before_what_is_attached_is_recorded(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, fleet: Fleet
) -> None:
    await cluster.create("vol")
    await existing.attach("vol", "node-a")
    held = cluster.proxy.hold("PATCH", times=1)
    worker = await fleet.start()
    await held.reached()
    publishing = asyncio.create_task(mooring.publish("vol", "node-b", deadline=30))
    await worker.answers(503, "1 existing attachment still to be recorded")
    held.release()

    with pytest.raises(HeldElsewhere, match="node-a"):
        await publishing
    await worker.ready()


async def test_an_adoption_that_a_killed_worker_began_is_gone_on_with(
    existing: ExistingCluster, cluster: Cluster, temporal: DevTemporal, tmp_path: Path
) -> None:
    await cluster.create("vol")
    await existing.attach("vol", "node-a")
    held = cluster.proxy.hold("PATCH", times=1)
    async with open_fleet(temporal.address, cluster, tmp_path) as fleet:
        first = await fleet.start(publish_budget=PATIENCE)
        await held.reached()
        await first.child.kill()
        second = await fleet.start()
        await second.ready()

        assert (await cluster.holder("vol"), await cluster.epoch("vol")) == ("node-a", 1)


async def test_a_version_that_is_not_current_records_what_is_attached_and_is_ready(
    existing: ExistingCluster, cluster: Cluster, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await existing.attach("vol", "node-a")

    async with running_worker(temporal_client, quick(cluster.driver, worker_deployment="next"), cluster.proxy.kubeconfig()):
        assert await cluster.holder("vol") == "node-a"

"""PVs that name a Secret for their driver's ControllerPublishVolume, and PVs that don't."""

from __future__ import annotations

from temporalio.client import Client

from mooring.client import MooringClient
from tests.harness.cluster import Cluster
from tests.harness.workers import indexed, quick, running_worker


async def test_it_is_known_from_a_list_and_from_a_watch_and_stays_known(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("listed", secret="array")
    await cluster.create("plain")
    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()) as worker:
        await cluster.create("watched", secret="array")
        await indexed(worker, "watched")
        await mooring.publish("listed", "node-a")
        await mooring.unpublish("listed", "node-a")
        known = {handle: worker.manager.needs_secrets(handle) for handle in ("listed", "plain", "watched", "nobody")}

    assert known == {"listed": True, "plain": False, "watched": True, "nobody": False}

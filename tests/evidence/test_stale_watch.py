"""A watch of VolumeAttachments that lags behind: what it still shows is looked up before it speaks for a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.departed_volumes import attach_seen

if TYPE_CHECKING:
    from mooring.client import MooringClient
    from tests.evidence.conftest import Serving
    from tests.harness.cluster import Cluster
    from tests.harness.existing_cluster import ExistingCluster


async def test_a_volume_attachment_that_is_gone_holds_nobody_off_though_the_watch_shows_it(
    serving: Serving, cluster: Cluster, mooring: MooringClient, existing: ExistingCluster
) -> None:
    await existing.register("node-a")
    async with serving() as worker:
        await cluster.create("vol")
        name = await attach_seen(worker, existing, "vol", "node-a")
        cluster.proxy.fail("WATCH", path="/volumeattachments", status=503)
        cluster.proxy.cut_watches()
        await existing.remove(name)

        await mooring.publish("vol", "node-b")

        assert await cluster.holder("vol") == "node-b"
        assert not worker.context.clientset.attachment_cache.is_gone(name)

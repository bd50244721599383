"""A watch of VolumeAttachments that lags behind: what it still shows is looked up before it speaks for a node."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from mooring.errors import Disputed
from tests.harness.departed_volumes import attach_seen
from tests.harness.patience import PATIENCE

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


async def test_a_volume_attachment_is_looked_up_until_the_api_server_answers(
    serving: Serving, cluster: Cluster, mooring: MooringClient, existing: ExistingCluster
) -> None:
    await existing.register("node-a")
    async with serving() as worker:
        await cluster.create("vol")
        await attach_seen(worker, existing, "vol", "node-a")
        away = cluster.proxy.fail("GET", path="/volumeattachments", status=503)
        publish = asyncio.create_task(mooring.publish("vol", "node-b", deadline=PATIENCE))
        await asyncio.wait([publish], timeout=3)
        assert not publish.done()
        assert await cluster.holder("vol") is None

        away.stop()

        with pytest.raises(Disputed, match="node-a"):
            await publish

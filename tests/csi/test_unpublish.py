"""ControllerUnpublishVolume."""

from __future__ import annotations

import asyncio

from grpc import StatusCode

from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, mount, refused
from tests.harness.patience import PATIENCE


async def test_an_unpublished_volume_is_free(csi: CsiClient, cluster: Cluster, backend: JournalBackend) -> None:
    await cluster.create("vol-1")
    await csi.publish("vol-1", "node-a")
    await csi.unpublish("vol-1", "node-a")

    assert (backend.attached, await cluster.holder("vol-1")) == ({"vol-1": set()}, None)


async def test_an_empty_node_id_means_every_node(csi: CsiClient, cluster: Cluster, backend: JournalBackend) -> None:
    await cluster.create("vol-1")
    shared = mount("MULTI_NODE_MULTI_WRITER")
    await csi.publish("vol-1", "node-a", volume_capability=shared)
    await csi.publish("vol-1", "node-b", volume_capability=shared)
    await csi.unpublish("vol-1")

    assert (backend.attached, await cluster.holder("vol-1")) == ({"vol-1": set()}, None)


async def test_another_node_stays_attached(csi: CsiClient, cluster: Cluster, backend: JournalBackend) -> None:
    await cluster.create("vol-1")
    await csi.publish("vol-1", "node-a")
    await csi.unpublish("vol-1", "node-b")

    assert (backend.attached, await cluster.holder("vol-1")) == ({"vol-1": {"node-a"}}, "node-a")


async def test_what_nobody_knows_is_not_attached(csi: CsiClient) -> None:
    await csi.unpublish("no-such-volume", "no-such-node")


async def test_a_volume_id_is_needed(csi: CsiClient) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, "volume_id"):
        await csi.unpublish("", "node-a")


async def test_it_cancels_the_publish_of_the_same_pair(csi: CsiClient, cluster: Cluster, backend: JournalBackend) -> None:
    await cluster.create("vol-1")
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(csi.publish("vol-1", "node-a"))
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)
    unpublish = asyncio.create_task(csi.unpublish("vol-1", "node-a"))
    with refused(StatusCode.ABORTED, "cancelled"):
        await publish
    await unpublish

    assert await cluster.holder("vol-1") is None

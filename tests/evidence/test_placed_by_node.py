"""A VolumeAttachment of a PV that nobody knows counts for the volume that its Node reports to have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mooring.cluster.node_usage import unique_name
from mooring.errors import Disputed
from tests.harness.existing_cluster import MERGE_PATCH
from tests.harness.workers import indexed, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mooring.client import MooringClient
    from tests.evidence.conftest import Serving
    from tests.harness.cluster import Cluster
    from tests.harness.existing_cluster import ExistingCluster

    Attached = Callable[..., Awaitable[str]]

NODES = "/api/v1/nodes"


@pytest.fixture
def attached(cluster: Cluster, existing: ExistingCluster) -> Attached:
    """A function that attaches a volume to node-a for a PV that is gone; its Node reports that it `has` that volume, or another.

    It returns the VolumeAttachment's name.
    """

    async def attach(handle: str, has: str = "") -> str:
        name = existing.name("node-a")
        await cluster.ask("POST", NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        listed = [{"name": unique_name(cluster.driver, has or handle), "devicePath": ""}]
        path = f"{NODES}/{name}" + ("/status" if existing.real else "")
        await cluster.ask("PATCH", path, {"status": {"volumesAttached": listed}}, MERGE_PATCH)
        return await existing.attach(handle, "node-a", noted="node-a", pv=f"gone-{cluster.pv(handle)}")

    return attach


@pytest.mark.parametrize("pv", [True, False], ids=["a PV of another name", "no PV"])
async def test_the_node_keeps_the_volume_though_nothing_else_is_known_of_it(
    serving: Serving, cluster: Cluster, mooring: MooringClient, attached: Attached, pv: bool
) -> None:
    name = await attached("vol")
    if pv:
        await cluster.create("vol")
    async with serving():
        with pytest.raises(
            Disputed, match=f"{name} attaches PersistentVolume gone-.*Node says that this volume.*unpublish vol node-a"
        ):
            await mooring.publish("vol", "node-b")

        assert (await mooring.publish("vol", "node-a")).persisted is pv


async def test_another_volume_that_has_a_pv_is_kept_from_nobody(
    serving: Serving, cluster: Cluster, mooring: MooringClient, attached: Attached
) -> None:
    await attached("strange")
    await cluster.create("vol")
    async with serving():
        assert (await mooring.publish("vol", "node-b")).persisted


async def test_where_no_node_can_be_asked_a_volume_that_has_a_pv_is_kept_from_nobody(
    serving: Serving, cluster: Cluster, mooring: MooringClient, attached: Attached
) -> None:
    await attached("vol")
    await cluster.create("vol")
    async with serving() as worker:
        await indexed(worker, "vol")
        cluster.proxy.fail("GET", status=403, path=NODES)

        assert (await mooring.publish("vol", "node-b")).persisted


async def test_a_node_that_did_not_answer_is_asked_again(
    serving: Serving, cluster: Cluster, mooring: MooringClient, attached: Attached
) -> None:
    await attached("vol")
    await cluster.create("vol")
    async with serving() as worker:
        await indexed(worker, "vol")
        cluster.proxy.fail("GET", status=503, path=NODES, times=2)  # the first step's question, and that of the live look

        with pytest.raises(Disputed, match="unpublish vol node-a"):
            await mooring.publish("vol", "node-b")


async def test_an_unpublish_of_the_node_frees_the_volume(
    serving: Serving, cluster: Cluster, mooring: MooringClient, attached: Attached
) -> None:
    await attached("vol")
    await cluster.create("vol")
    async with serving():
        assert (await mooring.unpublish("vol", "node-a")).released == ("node-a",)

        assert (await mooring.publish("vol", "node-b")).persisted


async def test_the_end_of_another_volumes_attachment_takes_nothing_from_a_holder_that_is_known_otherwise(
    serving: Serving, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, attached: Attached
) -> None:
    async with serving():
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
    await cluster.delete("vol")
    other = await attached("strange", has="vol")
    async with serving() as worker:
        for _ in range(2):
            with pytest.raises(Disputed, match=r"mooring unpublish vol node-a"):
                await mooring.publish("vol", "node-b")
            if not worker.context.clientset.attachment_cache.is_gone(other):
                await existing.remove(other)
                await until(lambda: worker.context.clientset.attachment_cache.is_gone(other))

"""A node that any of several PVs named remains a holder when that one goes, or all of them do."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from mooring.errors import Disputed, DuplicateVolume, HeldElsewhere
from tests.harness.cluster import PVS
from tests.harness.workers import until

if TYPE_CHECKING:
    from mooring.client import MooringClient
    from tests.evidence.conftest import Serving
    from tests.harness.cluster import Cluster


@pytest.mark.parametrize("saw", [True, False], ids=["a worker that saw it", "a worker of later"])
async def test_a_node_that_only_one_pv_named_stays_a_holder(
    serving: Serving, cluster: Cluster, mooring: MooringClient, saw: bool
) -> None:
    names = [f"{number}-{cluster.pv('vol')}" for number in (1, 2)]
    async with AsyncExitStack() as stack:
        for name, node in zip(names, ("node-a", "node-b"), strict=True):
            await cluster.create("vol", {cluster.keys.node: node}, name=name)
        worker = await stack.enter_async_context(serving())
        await until(lambda: len(worker.manager.pvs("vol")) == len(names))
        with pytest.raises(DuplicateVolume):
            await mooring.publish("vol", "node-c")
        if not saw:
            await stack.aclose()
        for name in names:
            await cluster.ask("DELETE", f"{PVS}/{name}")
        if saw:
            await until(lambda: not worker.manager.pvs("vol"))
        else:
            await stack.enter_async_context(serving())

        for node, other in (("node-a", "node-b"), ("node-b", "node-a")):
            with pytest.raises(Disputed, match=rf"mooring unpublish vol {other}"):
                await mooring.publish("vol", node)


@pytest.mark.parametrize("anew", [False, True], ids=["gone", "made anew"])
@pytest.mark.parametrize("named", ["", "node-b"], ids=["free", "held"])
async def test_a_node_that_a_pv_which_is_gone_named_alone_is_a_holder_for_a_worker_of_later(
    serving: Serving, cluster: Cluster, mooring: MooringClient, named: str, *, anew: bool
) -> None:
    first, left = cluster.pv("vol"), f"left-{cluster.pv('vol')}"
    await cluster.create("vol")
    async with serving():
        await mooring.publish("vol", "node-a")
    await cluster.create("vol", leading(cluster, named, first), name=left)  # as an attempt that landed on one of the two leaves it
    await cluster.delete("vol")
    if anew:
        await cluster.create("vol")
    async with serving():
        for _ in range(2):
            with pytest.raises(
                Disputed, match=r"may still be attached to node .*left it with node-a at epoch 1.*unpublish vol node-a"
            ):
                await mooring.publish("vol", "node-b")

        assert (await mooring.unpublish("vol", "node-a")).released == ("node-a",)
        assert (await mooring.publish("vol", "node-b")).persisted


async def test_the_record_of_a_pv_that_outlives_another_is_the_last_word_once_it_was_written_alone(
    serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await cluster.create("vol", name=f"left-{cluster.pv('vol')}")
    async with serving():
        await mooring.publish("vol", "node-a")
        await mooring.unpublish("vol", "node-a")
    await cluster.delete("vol")
    async with serving():
        published = await mooring.publish("vol", "node-b")

        assert (published.epoch, published.reclaimed) == (3, False)
        with pytest.raises(HeldElsewhere, match="held by node node-b"):
            await mooring.publish("vol", "node-a")


async def test_a_pv_that_came_after_a_release_is_not_free_when_the_one_goes_on_which_alone_a_node_was_recorded_since(
    serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    async with serving():
        await mooring.publish("vol", "node-a")
        await mooring.unpublish("vol", "node-a")
        unseen = cluster.proxy.drop("WATCH")
        cluster.proxy.cut_watches()
        await cluster.create("vol", name=(left := f"left-{cluster.pv('vol')}"))
        await mooring.publish("vol", "node-a")
        assert not await cluster.annotations("vol", name=left)
        unseen.stop()
    await cluster.delete("vol")
    async with serving():
        with pytest.raises(Disputed, match="unpublish vol node-a"):
            await mooring.publish("vol", "node-b")

        assert (await mooring.unpublish("vol", "node-a")).released == ("node-a",)
        assert (await mooring.publish("vol", "node-b")).persisted


def leading(cluster: Cluster, node: str, other: str) -> dict[str, str]:
    """Return a record of the node, "" for a free one, that the other PV was to bear too."""
    record = {cluster.keys.epoch: "1", cluster.keys.operation: "another"}
    if not node:
        return record | {cluster.keys.also_on: json.dumps({"epoch": 1, "pvs": [other]})}
    holders = [{"nodeId": node, "attachedAt": "2026-01-31T04:00:41.123456Z", "alsoOn": [other]}]
    return record | {cluster.keys.node: node, cluster.keys.attachments: json.dumps(holders)}

"""A PV that has lost some of its record is no free volume: its annotations were removed, or are those of an older copy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from mooring.client import MooringClient
from mooring.errors import Disputed, HeldElsewhere, MalformedRecord
from tests.evidence.conftest import Serving
from tests.harness.cluster import Cluster
from tests.harness.departed_volumes import attach_seen
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.workers import until
from worker import MooringWorker

STRIPPED, LOWERED, UNREADABLE = "stripped", "lowered", "unreadable for a while, then lowered"
WAYS = [STRIPPED, LOWERED, UNREADABLE]
Altered = Callable[[str], Awaitable[None]]


async def alter(cluster: Cluster, how: str) -> None:
    """Take the record's annotations away, or put back an older one that nobody holds."""
    keys = cluster.keys
    if how == STRIPPED:
        await cluster.annotate("vol", dict.fromkeys((keys.node, keys.at, keys.epoch, keys.operation, keys.attachments)))
    else:
        await cluster.annotate("vol", {keys.node: None, keys.at: None, keys.epoch: "1"})


@pytest.fixture
async def altered(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> Altered:
    """A function that has node-a hold the volume `vol` at epoch 3, and alters its record so."""

    async def done(how: str) -> None:
        await cluster.create("vol")
        for _ in range(3):
            await mooring.publish("vol", "node-a")
        if how == UNREADABLE:
            await cluster.annotate("vol", {cluster.keys.epoch: "many"})
            await until(lambda: any(seen.problem for seen in worker.manager.entries("vol")))
        await alter(cluster, how)
        await until(lambda: not any(seen.problem for seen in worker.manager.entries("vol")))

    return done


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("node", ["node-a", "node-b"])
async def test_it_is_published_to_nobody_and_says_what_helps(
    altered: Altered, how: str, node: str, cluster: Cluster, mooring: MooringClient
) -> None:
    await altered(how)

    back = f"kubectl annotate --overwrite pv {cluster.pv('vol')} {cluster.keys.epoch}=4 {cluster.keys.node}=node-a"
    for _ in range(2):
        with pytest.raises(MalformedRecord, match=f"it was at epoch 3, held by node-a.*mooring unpublish --all-nodes vol.*{back}"):
            await mooring.publish("vol", node)


async def test_a_worker_that_comes_later_knows_it_by_the_last_operation(
    serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    async with AsyncExitStack() as first:
        await first.enter_async_context(serving())
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
    await alter(cluster, STRIPPED)

    async with serving():
        for _ in range(2):
            with pytest.raises(MalformedRecord, match="it was at epoch 1, held by node-a"):
                await mooring.publish("vol", "node-b")


async def test_the_record_put_back_counts(altered: Altered, cluster: Cluster, mooring: MooringClient) -> None:
    await altered(STRIPPED)

    await cluster.annotate("vol", {cluster.keys.epoch: "4", cluster.keys.node: "node-a"})

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")
    assert (await mooring.publish("vol", "node-a")).epoch == 5


@pytest.mark.parametrize("how", WAYS)
async def test_an_unpublish_goes_through_and_writes_above_what_was_seen(altered: Altered, how: str, mooring: MooringClient) -> None:
    await altered(how)

    gone = await mooring.unpublish("vol", "node-a")

    assert (gone.released, gone.epoch, gone.annotation_cleared) == (("node-a",), 4, True)
    assert (await mooring.publish("vol", "node-b")).epoch == 5


@pytest.mark.parametrize("how", WAYS)
async def test_an_unpublish_of_another_node_restores_the_holder(
    altered: Altered, how: str, cluster: Cluster, mooring: MooringClient
) -> None:
    await altered(how)

    await mooring.unpublish("vol", "node-b")

    assert (await cluster.holder("vol"), await cluster.epoch("vol")) == ("node-a", 4)
    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")


async def test_one_that_is_still_attached_keeps_no_worker_from_serving(
    serving: Serving, cluster: Cluster, mooring: MooringClient, existing: ExistingCluster
) -> None:
    await existing.register("node-a")
    await cluster.create("vol")
    async with serving() as worker:
        await mooring.publish("vol", "node-a")
        await attach_seen(worker, existing, "vol", "node-a")
    await alter(cluster, STRIPPED)

    async with serving():
        with pytest.raises((MalformedRecord, Disputed), match="vol"):
            await mooring.publish("vol", "node-b")

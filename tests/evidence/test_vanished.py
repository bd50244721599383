"""A holder whose PV goes, or is created again, remains a holder: for the worker that saw it, and for later ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from mooring.client import MooringClient
from mooring.errors import Disputed, MooringError
from mooring.records.past import ROUNDED
from tests.evidence.conftest import Serving
from tests.harness.cluster import Cluster
from tests.harness.departed_volumes import attach_seen, delete_seen
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import indexed, until
from worker import MooringWorker

SAME, OTHER, NONE = "same name", "other name", "no PV"
WAYS = [SAME, OTHER, NONE]


@pytest.fixture(params=["a worker that saw it", "a worker of later"])
async def vanished(
    request: pytest.FixtureRequest, serving: Serving, cluster: Cluster, mooring: MooringClient
) -> AsyncIterator[Callable[[str], Awaitable[MooringWorker]]]:
    """A function that has node-a hold `vol` at epoch 3, and its PV go and return in this way; it returns a worker that serves."""
    stack = AsyncExitStack()

    async def vanish(way: str) -> MooringWorker:
        await cluster.create("vol")
        worker = await stack.enter_async_context(serving())
        for _ in range(3):
            await mooring.publish("vol", "node-a")
        if request.param == "a worker of later":
            await stack.aclose()
        await cluster.delete("vol")
        if way != NONE:
            await cluster.create("vol", name=f"anew-{cluster.pv('vol')}" if way == OTHER else "")
        if request.param == "a worker of later":
            return await stack.enter_async_context(serving())
        if way == NONE:
            await until(lambda: worker.manager.pv_name("vol") is None)
        return worker

    async with stack:
        yield vanish


async def eventually(ask: Callable[[], Awaitable[object]]) -> None:
    """Wait until Temporal's visibility has caught up, and nobody is refused any more."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await ask()
            except MooringError:
                await asyncio.sleep(0.1)
            else:
                return


@pytest.mark.parametrize("way", WAYS)
async def test_another_node_is_refused_and_told_who_may_have_it(
    vanished: Callable[[str], Awaitable[MooringWorker]], way: str, mooring: MooringClient
) -> None:
    await vanished(way)

    for _ in range(2):
        with pytest.raises(Disputed, match=r"node node-a.*mooring unpublish vol node-a"):
            await mooring.publish("vol", "node-b")


@pytest.mark.parametrize("way", WAYS)
async def test_the_same_node_goes_on(vanished: Callable[[str], Awaitable[MooringWorker]], way: str, mooring: MooringClient) -> None:
    await vanished(way)

    again = await mooring.publish("vol", "node-a")

    assert (again.node_id, again.persisted) == ("node-a", way != NONE)
    with pytest.raises(MooringError, match="node-a"):
        await mooring.publish("vol", "node-b")


@pytest.mark.parametrize("way", [SAME, OTHER])
async def test_the_new_record_begins_above_the_old_one(
    vanished: Callable[[str], Awaitable[MooringWorker]], way: str, mooring: MooringClient
) -> None:
    await vanished(way)

    assert (await mooring.publish("vol", "node-a")).epoch == 4


@pytest.mark.parametrize("way", WAYS)
async def test_an_unpublish_of_the_holder_frees_the_volume(
    vanished: Callable[[str], Awaitable[MooringWorker]], way: str, mooring: MooringClient
) -> None:
    await vanished(way)

    gone = await mooring.unpublish("vol", "node-a")

    assert gone.released == ("node-a",)
    await eventually(lambda: mooring.publish("vol", "node-b"))


@pytest.mark.parametrize("way", WAYS)
async def test_an_unpublish_of_another_node_frees_nothing(
    vanished: Callable[[str], Awaitable[MooringWorker]], way: str, mooring: MooringClient
) -> None:
    await vanished(way)

    assert (await mooring.unpublish("vol", "node-b")).released == ()

    with pytest.raises(MooringError, match="node-a"):
        await mooring.publish("vol", "node-b")


async def test_all_workers_forget_a_holder_that_was_unpublished(
    vanished: Callable[[str], Awaitable[MooringWorker]], mooring: MooringClient, serving: Serving
) -> None:
    worker = await vanished(NONE)
    async with serving() as other:
        await mooring.unpublish("vol", "")

        await until(lambda: not [*worker.manager.departures.open(), *other.manager.departures.open()])


async def test_a_volume_that_was_free_begins_above_its_old_epoch(
    serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    async with serving() as worker:
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
        await mooring.unpublish("vol", "node-a")
        await delete_seen(worker, cluster, "vol")
        await cluster.create("vol")
        await indexed(worker, "vol")

        async def reborn() -> None:
            assert (await mooring.publish("vol", "node-b")).epoch > 2

        await reborn()


@pytest.mark.parametrize("way", WAYS)
async def test_a_holder_lets_go_with_its_volume_attachment(
    vanished: Callable[[str], Awaitable[MooringWorker]], way: str, mooring: MooringClient, existing: ExistingCluster
) -> None:
    await existing.register("node-a")
    worker = await vanished(way)
    name = await attach_seen(worker, existing, "vol", "node-a")
    with pytest.raises(Disputed, match="node-a"):
        await mooring.publish("vol", "node-b")

    await existing.remove(name)

    await eventually(lambda: mooring.publish("vol", "node-b"))


async def test_a_volume_attachment_left_over_from_before_the_last_operation_speaks_for_nobody(
    serving: Serving, cluster: Cluster, mooring: MooringClient, existing: ExistingCluster
) -> None:
    await existing.register("node-b")
    await cluster.create("vol")
    async with serving() as worker:
        await mooring.publish("vol", "node-b")
        await attach_seen(worker, existing, "vol", "node-b")
        await asyncio.sleep(ROUNDED.total_seconds() + 0.1)  # the time after which two clocks say which was first
        await mooring.unpublish("vol", "node-b")
        await mooring.publish("vol", "node-a")
        await delete_seen(worker, cluster, "vol")
        await cluster.create("vol")
        await until(lambda: worker.manager.pv_name("vol") is not None)

        assert (await mooring.publish("vol", "node-a")).reclaimed


async def test_a_worker_that_follows_no_volume_attachments_lets_nobody_go_for_that(
    serving: Serving, cluster: Cluster, mooring: MooringClient, existing: ExistingCluster
) -> None:
    async with serving() as worker:
        await cluster.create("vol")
        await until(lambda: worker.manager.pv_name("vol") is not None)
        name = await attach_seen(worker, existing, "vol", "node-a")
        with pytest.raises(Disputed, match=name):
            await mooring.publish("vol", "node-b")

    async with serving(adopt=False):
        with pytest.raises(Disputed, match=r"node-a.*mooring unpublish vol node-a"):
            await mooring.publish("vol", "node-b")


async def test_a_holder_that_no_operation_knew_outlasts_those_that_came_before_it(
    serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    async with serving() as worker:
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
        await mooring.unpublish("vol", "node-a")
        await delete_seen(worker, cluster, "vol")
        await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.at: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"})
        await indexed(worker, "vol")
        await delete_seen(worker, cluster, "vol")

        with pytest.raises(Disputed, match=r"node-a.*mooring unpublish vol node-a"):
            await mooring.publish("vol", "node-b")

        async def move() -> None:
            await mooring.unpublish("vol", "node-a")
            await mooring.publish("vol", "node-b")

        await eventually(move)

"""The contract of every kind of volumes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from mooring.models import VolumeRecord
from mooring.records.store import Change, ChangeKind, Page
from tests.cluster.persistent_volumes.conftest import World
from tests.harness.patience import PATIENCE
from tests.harness.records import SHARED, attach, detach


async def test_a_volume_never_published_has_no_holder_and_no_epoch(world: World) -> None:
    _, found = await world.volume()
    assert (found.holders, found.mark.epoch, found.operation) == ((), None, "")


async def test_a_write_that_lands_says_what_the_volume_says_from_then_on(world: World) -> None:
    volume, free = await world.volume()
    result = await world.volumes.compare_and_set(attach(volume, free, "node-a", "op-1"))
    assert result.landed
    assert result.record == await world.volumes.read("vol-1")
    assert result.record is not None
    assert (result.record.epoch, result.record.operation, result.record.mark.node) == (1, "op-1", "node-a")


async def test_a_write_decided_on_an_older_record_is_refused_and_told_the_present_one(world: World) -> None:
    volume, free = await world.volume()
    held = (await world.volumes.compare_and_set(attach(volume, free, "node-a", "op-1"))).record
    late = await world.volumes.compare_and_set(attach(volume, free, "node-b", "op-2"))
    assert (late.landed, late.record) == (False, held)


async def test_the_same_write_again_is_recognised_as_landed(world: World) -> None:
    volume, free = await world.volume()
    write = attach(volume, free, "node-a", "op-1")
    first = await world.volumes.compare_and_set(write)
    assert await world.volumes.compare_and_set(write) == first


async def test_a_straggling_write_after_a_later_detach_changes_nothing(world: World) -> None:
    volume, free = await world.volume()
    straggler = attach(volume, free, "node-a", "op-1")
    detached = await world.volumes.compare_and_set(detach(volume, free))
    assert (await world.volumes.compare_and_set(straggler)).landed is False
    assert await world.volumes.read("vol-1") == detached.record


async def test_of_many_writes_decided_on_one_record_one_lands(world: World) -> None:
    volume, free = await world.volume()
    writes = [attach(volume, free, f"node-{number}", f"op-{number}") for number in range(12)]
    results = await asyncio.gather(*(world.volumes.compare_and_set(write) for write in writes))
    assert sum(result.landed for result in results) == 1


async def test_several_holders_are_kept_in_order(world: World) -> None:
    volume, now = await world.volume()
    for node in ("node-a", "node-b"):
        result = await world.volumes.compare_and_set(attach(volume, now, node, f"op-{node}", SHARED))
        assert result.record is not None
        now = result.record
    found = await world.volumes.read("vol-1")
    assert found is not None
    assert [(held.node_id, held.access_mode) for held in found.holders] == [("node-a", SHARED), ("node-b", SHARED)]


async def test_pages_show_every_volume_once_and_say_where_they_begin(world: World) -> None:
    for number in range(5):
        await world.volume(f"vol-{number}")
    pages = await listed(world, page_size=2)
    assert [page.first for page in pages] == [True] + [False] * (len(pages) - 1)
    assert sorted(seen.handle for page in pages for seen in page.records) == [f"vol-{number}" for number in range(5)]
    assert len({page.resource_version for page in pages}) == 1


async def test_pages_show_what_reading_shows(world: World) -> None:
    volume, free = await world.volume()
    await world.volumes.compare_and_set(attach(volume, free, "node-a"))
    [shown] = [seen.record() for page in await listed(world) for seen in page.records]
    assert shown == await world.volumes.read("vol-1")


async def test_a_watch_brings_what_was_written_after_the_list(world: World) -> None:
    volume, free = await world.volume()
    since = (await listed(world))[-1].resource_version
    held = await world.volumes.compare_and_set(attach(volume, free, "node-a"))
    assert await next_record(world, since) == held.record


async def test_a_watch_brings_what_is_written_while_it_is_open(world: World) -> None:
    volume, free = await world.volume()
    since = (await listed(world))[-1].resource_version
    opened = asyncio.Event()
    watching = asyncio.create_task(next_record(world, since, opened))
    await asyncio.wait_for(opened.wait(), 5)
    held = await world.volumes.compare_and_set(attach(volume, free, "node-a"))
    assert await watching == held.record


async def listed(world: World, page_size: int = 100) -> list[Page]:
    return [page async for page in world.volumes.pages(page_size)]


async def next_record(world: World, since: str, opened: asyncio.Event | None = None) -> VolumeRecord:
    async with asyncio.timeout(PATIENCE), aclosing(world.volumes.watch(since)) as changes:
        async for change in changes:
            if opened is not None:
                opened.set()
            if change.kind is ChangeKind.SEEN:
                return told(change)
    raise AssertionError("the watch ended")


def told(change: Change) -> VolumeRecord:
    assert change.record is not None
    return change.record.record()

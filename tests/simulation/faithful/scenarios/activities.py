"""Activities: results, retries, timeouts, and local ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from tests.simulation.faithful.samples import (
    Act,
    Acts,
    ActsTogether,
)
from tests.simulation.faithful.scenario import collect
from tests.simulation.faithful.world import World


async def an_activity_gives_a_result(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(), Act(close=8, start=20, heartbeat=30)])


async def activities_side_by_side(world: World) -> None:
    async with world.worker():
        await world.run(ActsTogether, [Act(), Act(sleeps=3)])


async def an_activity_is_tried_again(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(fails=2)])


async def an_activity_is_tried_no_more(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(fails=9, attempts=2)])


async def an_activity_fails_for_good(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(fails=9, final=True)])


async def an_activity_fails_in_a_way_that_is_listed(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(fails=9, listed=True)])


async def an_activity_says_when_it_is_due_again(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(fails=1, first_pause=30, again_after=0.3)])


async def an_activity_takes_too_long(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(kind="hang", fails=9, attempt=1, attempts=1)])


async def an_activity_takes_too_long_once(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(kind="hang", fails=1, attempt=3)])


async def an_activity_has_no_time_for_another_try(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(fails=9, close=8, first_pause=3)])


async def an_activity_takes_too_long_and_has_no_time_for_another_try(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(kind="hang", fails=9, attempt=1, close=8, first_pause=20)])


async def an_activity_runs_out_of_time_in_an_attempt(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(kind="hang", fails=9, attempt=0, close=5)])


async def an_activity_that_failed_runs_out_of_time_in_an_attempt(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(fails=1, sleeps=30, attempt=0, close=6)])


async def nobody_takes_an_activity(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(queue=f"nobody polls {world.name}", start=1)])


async def an_activity_is_silent(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(kind="hang", fails=9, heartbeat=1, attempt=30, attempts=1)])


async def an_activity_that_said_something_is_silent(world: World) -> None:
    async with world.worker():
        handle = await world.start(Acts, [Act(sleeps=40, beats=20, heartbeat=1, attempt=60, attempts=1)])
        await world.end(handle)


async def a_local_activity_gives_a_result(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(local=True), Act()])


async def a_local_activity_is_tried_again(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(local=True, fails=1)])


async def a_local_activity_fails(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(local=True, fails=9, attempts=1)])


async def a_local_activity_takes_too_long(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(local=True, kind="hang", fails=9, attempts=1, attempt=1)])


async def a_local_activity_outlasts_its_task(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(local=True, sleeps=6, attempt=30, attempts=1)], task_timeout=timedelta(seconds=5))


SCENARIOS: Final = collect(globals())

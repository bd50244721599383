"""Cancellations of runs and of what they wait for."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from temporalio.client import WorkflowHandle
from temporalio.workflow import ActivityCancellationType

from tests.simulation.faithful.samples import (
    WAIT,
    Act,
    Acts,
    Sleeps,
    Undoes,
)
from tests.simulation.faithful.scenario import collect
from tests.simulation.faithful.world import World


async def a_sleep_is_cancelled(world: World) -> None:
    async with world.worker():
        handle = await world.start(Sleeps, 3600.0)
        await world.reaches(handle, "TIMER_STARTED")
        await handle.cancel()
        await world.end(handle)


async def _cancelled_in_an_activity(world: World, cancellation: ActivityCancellationType) -> None:
    async with world.worker():
        act = Act(sleeps=8, beats=0.2, heartbeat=5, attempt=30, cancellation=cancellation)
        handle = await world.start(Undoes, [act, Act()])
        await world.begins(handle)
        await handle.cancel()
        await world.end(handle)


async def an_activity_is_cancelled_and_awaited(world: World) -> None:
    await _cancelled_in_an_activity(world, WAIT)


async def an_activity_is_cancelled_and_not_awaited(world: World) -> None:
    await _cancelled_in_an_activity(world, ActivityCancellationType.TRY_CANCEL)


async def an_activity_is_left_alone(world: World) -> None:
    await _cancelled_in_an_activity(world, ActivityCancellationType.ABANDON)


async def an_activity_is_cancelled_before_anybody_takes_it(world: World) -> None:
    async with world.worker():
        act = Act(queue=f"nobody polls {world.name}", cancellation=WAIT)
        handle = await world.start(Undoes, [act, Act()])
        await world.reaches(handle, "ACTIVITY_TASK_SCHEDULED")
        await handle.cancel()
        await world.end(handle)


async def an_activity_is_cancelled_between_two_tries(world: World) -> None:
    async with world.worker():
        handle = await world.start(Undoes, [Act(fails=9, first_pause=30, cancellation=WAIT), Act()])
        await _fails_once(world, handle)
        await handle.cancel()
        await world.end(handle)


async def _fails_once(world: World, handle: WorkflowHandle[Any, Any]) -> None:
    while True:
        pending = (await handle.describe()).raw_description.pending_activities
        if any(each.attempt == 2 for each in pending):
            return
        await asyncio.sleep(0.05)


async def a_failed_activity_that_was_cancelled_is_not_tried_again(world: World) -> None:
    async with world.worker():
        handle = await world.start(Acts, [Act(kind="fail late", fails=1, sleeps=1, cancellation=WAIT)])
        await world.end(handle)


async def a_run_is_cancelled_before_its_first_task(world: World) -> None:
    handle = await world.start(Undoes, [Act(), Act()])
    await handle.cancel()
    async with world.worker():
        await world.end(handle)


async def a_run_is_cancelled_twice(world: World) -> None:
    async with world.worker():
        handle = await world.start(Undoes, [Act(sleeps=8, beats=0.2, heartbeat=5, attempt=30, cancellation=WAIT), Act(sleeps=0.5)])
        await world.begins(handle)
        await handle.cancel()
        await handle.cancel()
        await world.end(handle)


SCENARIOS: Final = collect(globals())

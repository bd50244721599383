"""Runs as a whole: ends, ids, signals, updates, queries, patches, workers that change."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from tests.simulation.faithful.samples import (
    Act,
    Acts,
    Fails,
    GoesOn,
    Listens,
    Outwaits,
    Patched,
    Races,
    Shows,
    Sleeps,
    Stumbles,
    Undoes,
)
from tests.simulation.faithful.scenario import collect
from tests.simulation.faithful.world import World


async def a_run_completes(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [])


async def a_run_fails(world: World) -> None:
    async with world.worker():
        await world.run(Fails)


async def a_signal_comes_in_one_task_with_the_timer_that_it_would_have_ended(world: World) -> None:
    async with world.worker(max_cached_workflows=0, max_concurrent_workflow_task_polls=1):
        handle = await world.start(Outwaits)
        await world.reaches(handle, "TIMER_STARTED")
    await world.reaches(handle, "TIMER_FIRED")
    await handle.signal(Outwaits.hear, "late")
    async with world.worker(max_cached_workflows=0, max_concurrent_workflow_task_polls=1):
        await world.end(handle)


async def signals_come_before_the_first_task(world: World) -> None:
    handle = await world.start(Listens, 2)
    await handle.signal(Listens.hear, "one")
    await handle.signal(Listens.hear, "two")
    async with world.worker():
        await world.end(handle)


async def signals_come_one_by_one(world: World) -> None:
    async with world.worker():
        handle = await world.start(Listens, 2)
        for number in (1, 2):
            await world.reaches(handle, "WORKFLOW_TASK_COMPLETED", number)
            await handle.signal(Listens.hear, f"{number}")
        await world.end(handle)


async def a_signal_starts_a_run(world: World) -> None:
    async with world.worker():
        await world.run(Listens, 1, start_signal="hear", start_signal_args=["first"])


async def a_run_is_terminated(world: World) -> None:
    async with world.worker():
        handle = await world.start(Undoes, [Act(sleeps=8, beats=0.2, heartbeat=5, attempt=30), Act()])
        await world.begins(handle)
        await handle.terminate("enough")
        await world.end(handle)
        try:
            await handle.signal(Listens.hear, "too late")
        except RPCError as error:
            world.said.append(error.status.name)


async def a_run_is_terminated_before_its_first_task(world: World) -> None:
    handle = await world.start(Sleeps, 1.0)
    await handle.terminate("enough")
    await world.end(handle)


async def a_timer_is_cancelled(world: World) -> None:
    async with world.worker():
        await world.run(Races)


async def a_run_takes_too_long(world: World) -> None:
    async with world.worker():
        await world.run(Sleeps, 3600.0, execution_timeout=timedelta(seconds=5))


async def a_run_goes_on_as_a_new_one(world: World) -> None:
    async with world.worker():
        handle = await world.start(GoesOn, 1)
        await world.end(handle)
        described = await world.client.get_workflow_handle(handle.id).describe()
        world.note(handle.id, described.run_id)


async def a_patch_is_taken(world: World) -> None:
    async with world.worker():
        await world.run(Patched)


async def what_operators_see_is_set(world: World) -> None:
    async with world.worker():
        handle = await world.start(Shows, memo={"first": True})
        await world.end(handle)
        described = await handle.describe()
        memo = await described.memo()
        world.said += [described.status.name if described.status else "", str(sorted(memo.items()))]


async def ids_are_taken(world: World) -> None:
    first = await world.start(Sleeps, 1.0)
    for policy in (WorkflowIDConflictPolicy.FAIL, WorkflowIDConflictPolicy.USE_EXISTING):
        try:
            again = await world.start(Sleeps, 2.0, id_conflict_policy=policy)
            world.said.append(f"joined {again.result_run_id == first.result_run_id}")
        except WorkflowAlreadyStartedError as error:
            world.said.append(f"taken {error.run_id == first.result_run_id}")
    await world.start(Sleeps, 0.1, id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)
    async with world.worker():
        await world.end(world.client.get_workflow_handle(world.id()))
    for reuse in (WorkflowIDReusePolicy.REJECT_DUPLICATE, WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY):
        try:
            await world.start(Sleeps, 0.1, id_reuse_policy=reuse)
        except WorkflowAlreadyStartedError:
            world.said.append("used up")


async def the_code_fails_a_task(world: World) -> None:
    async with world.worker():
        await world.run(Stumbles)


async def each_task_replays_what_was_before(world: World) -> None:
    async with world.worker(max_cached_workflows=0, max_concurrent_workflow_task_polls=1):
        await world.run(Patched)


async def each_task_replays_local_activities(world: World) -> None:
    async with world.worker(max_cached_workflows=0, max_concurrent_workflow_task_polls=1):
        await world.run(Acts, [Act(local=True), Act(), Act(local=True, fails=1), Act(fails=1)])


async def another_worker_takes_over(world: World) -> None:
    async with world.worker(identity="first"):
        handle = await world.start(Patched)
        await world.reaches(handle, "TIMER_STARTED")
    async with world.worker(identity="second"):
        await world.end(handle)


async def a_worker_drains(world: World) -> None:
    async with world.worker(identity="first", graceful_shutdown_timeout=timedelta(seconds=1)):
        handle = await world.start(Acts, [Act(sleeps=20, attempt=30, first_pause=0.2)])
        await world.begins(handle)
    await handle.cancel()
    async with world.worker(identity="second"):
        await world.reaches(handle, "ACTIVITY_TASK_CANCEL_REQUESTED")
        await world.end(handle)


async def an_update_is_accepted(world: World) -> None:
    async with world.worker():
        handle = await world.start(Listens, 2)
        await world.reaches(handle, "WORKFLOW_TASK_COMPLETED")
        world.said.append(str(await handle.execute_update(Listens.add, "one")))
        world.said.append(str(await handle.execute_update(Listens.add, "two")))
        await world.end(handle)


async def an_update_is_refused(world: World) -> None:
    async with world.worker():
        handle = await world.start(Listens, 1)
        await world.reaches(handle, "WORKFLOW_TASK_COMPLETED")
        try:
            await handle.execute_update(Listens.add, "no")
        except Exception as error:
            world.said.append(f"{type(error).__name__}: {error.__cause__}")
        await handle.signal(Listens.hear, "yes")
        await world.end(handle)


async def a_query_is_answered(world: World) -> None:
    async with world.worker():
        handle = await world.start(Listens, 2)
        await world.reaches(handle, "WORKFLOW_TASK_COMPLETED")
        await handle.signal(Listens.hear, "one")
        await world.reaches(handle, "WORKFLOW_TASK_COMPLETED", 2)
        world.said.append(str(await handle.query(Listens.heard)))
        await handle.signal(Listens.hear, "two")
        await world.end(handle)
        world.said.append(str(await handle.query(Listens.heard)))


SCENARIOS: Final = collect(globals())

"""Scenarios with workflows made for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from tests.simulation.faithful.samples import (
    Act,
    Acts,
    ActsTogether,
    Child,
    Disturbs,
    Fails,
    GoesOn,
    HasChild,
    Listens,
    Patched,
    Races,
    Shows,
    Sleeps,
    Stumbles,
    Undoes,
)
from tests.simulation.faithful.world import World

Scenario = Callable[[World], Awaitable[None]]
TRY_CANCEL, WAIT, ABANDON = 0, 1, 2
TERMINATE, LEAVE, CANCEL = 1, 2, 3


async def a_run_completes(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [])


async def a_run_fails(world: World) -> None:
    async with world.worker():
        await world.run(Fails)


async def an_activity_gives_a_result(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(), Act(close=8, start=20, heartbeat=30)])


async def activities_side_by_side(world: World) -> None:
    async with world.worker():
        await world.run(ActsTogether, [Act(), Act(sleeps=0.4)])


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
        await world.run(Acts, [Act(kind="hang", fails=1, attempt=1)])


async def an_activity_has_no_time_for_another_try(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(fails=9, close=2, first_pause=1.5)])


async def an_activity_takes_too_long_and_has_no_time_for_another_try(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(kind="hang", fails=9, attempt=1, close=2, first_pause=5)])


async def an_activity_runs_out_of_time_in_an_attempt(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(kind="hang", fails=9, attempt=0, close=1)])


async def an_activity_that_failed_runs_out_of_time_in_an_attempt(world: World) -> None:
    async with world.worker():
        await world.run(Acts, [Act(fails=1, sleeps=30, attempt=0, close=2)])


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


async def a_sleep_is_cancelled(world: World) -> None:
    async with world.worker():
        handle = await world.start(Sleeps, 3600.0)
        await world.reaches(handle, "TIMER_STARTED")
        await handle.cancel()
        await world.end(handle)


async def _cancelled_in_an_activity(world: World, cancellation: int) -> None:
    async with world.worker():
        act = Act(sleeps=8, beats=0.2, heartbeat=5, attempt=30, cancellation=cancellation)
        handle = await world.start(Undoes, [act, Act()])
        await world.begins(handle)
        await handle.cancel()
        await world.end(handle)


async def an_activity_is_cancelled_and_awaited(world: World) -> None:
    await _cancelled_in_an_activity(world, WAIT)


async def an_activity_is_cancelled_and_not_awaited(world: World) -> None:
    await _cancelled_in_an_activity(world, TRY_CANCEL)


async def an_activity_is_left_alone(world: World) -> None:
    await _cancelled_in_an_activity(world, ABANDON)


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
        await world.run(Sleeps, 3600.0, execution_timeout=timedelta(seconds=1))


async def _parent(world: World, child: Child) -> WorkflowHandle[Any, Any]:
    return await world.start(HasChild, child, which="parent")


async def _note_child(world: World, which: str = "child") -> WorkflowHandle[Any, Any]:
    described = await world.client.get_workflow_handle(world.id(which)).describe()
    world.note(described.id, described.run_id)
    return world.client.get_workflow_handle(described.id, run_id=described.run_id)


async def a_child_completes(world: World) -> None:
    async with world.worker():
        await world.end(await _parent(world, Child(id=world.id("child"))))
        await _note_child(world)


async def a_child_fails(world: World) -> None:
    async with world.worker():
        await world.end(await _parent(world, Child(id=world.id("child"), kind="Fails", given=None)))


async def a_child_is_there_already(world: World) -> None:
    async with world.worker():
        await world.start(Sleeps, 30.0, which="child")
        await world.end(await _parent(world, Child(id=world.id("child"))))


async def a_child_was_there_and_may_not_be_again(world: World) -> None:
    async with world.worker():
        await world.run(Sleeps, 0.1, which="child")
        await world.end(await _parent(world, Child(id=world.id("child"), reuse=3)))


async def a_child_is_terminated(world: World) -> None:
    async with world.worker():
        parent = await _parent(world, Child(id=world.id("child"), given=60.0))
        await world.reaches(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
        child = await _note_child(world)
        await world.reaches(child, "TIMER_STARTED")
        await child.terminate("enough")
        await world.end(parent)


async def a_child_goes_on_as_a_new_run(world: World) -> None:
    async with world.worker():
        await world.end(await _parent(world, Child(id=world.id("child"), kind="GoesOn", given=1)))


async def a_child_is_cancelled_with_its_parent(world: World) -> None:
    async with world.worker():
        parent = await _parent(world, Child(id=world.id("child"), given=60.0))
        await world.reaches(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
        await world.reaches(await _note_child(world), "TIMER_STARTED")
        await parent.cancel()
        await world.end(parent)


async def _parent_closes(world: World, policy: int, ends: str) -> None:
    async with world.worker():
        parent = await _parent(world, Child(id=world.id("child"), given=60.0, policy=policy))
        await world.reaches(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
        child = await _note_child(world)
        await world.reaches(child, "TIMER_STARTED")
        await parent.terminate("enough")
        await world.end(parent)
        if ends:
            await world.reaches(child, ends)


async def a_child_is_terminated_as_its_parent_closes(world: World) -> None:
    await _parent_closes(world, TERMINATE, "WORKFLOW_EXECUTION_TERMINATED")


async def a_child_outlives_its_parent(world: World) -> None:
    await _parent_closes(world, LEAVE, "")


async def a_child_is_cancelled_as_its_parent_closes(world: World) -> None:
    await _parent_closes(world, CANCEL, "WORKFLOW_EXECUTION_CANCELED")


async def a_run_goes_on_as_a_new_one(world: World) -> None:
    async with world.worker():
        handle = await world.start(GoesOn, 1)
        await world.end(handle)
        described = await world.client.get_workflow_handle(handle.id).describe()
        world.note(handle.id, described.run_id)


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
        await world.run(Acts, [Act(local=True, sleeps=2.5, attempts=1)])


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


async def another_run_is_signalled(world: World) -> None:
    async with world.worker():
        other = await world.start(Listens, 1, which="other")
        await world.reaches(other, "WORKFLOW_TASK_COMPLETED")
        await world.run(Disturbs, "signal", other.id)
        await world.end(other)


async def another_run_is_cancelled(world: World) -> None:
    async with world.worker():
        other = await world.start(Sleeps, 60.0, which="other")
        await world.reaches(other, "TIMER_STARTED")
        await world.run(Disturbs, "cancel", other.id)
        await world.end(other)


async def a_run_that_is_not_there_is_signalled(world: World) -> None:
    async with world.worker():
        await world.run(Disturbs, "signal", world.id("nobody"))


async def a_run_that_is_not_there_is_cancelled(world: World) -> None:
    async with world.worker():
        await world.run(Disturbs, "cancel", world.id("nobody"))


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


async def another_worker_takes_over(world: World) -> None:
    async with world.worker(identity="first"):
        handle = await world.start(Patched)
        await world.reaches(handle, "TIMER_STARTED")
    async with world.worker(identity="second"):
        await world.end(handle)


async def a_worker_drains(world: World) -> None:
    async with world.worker(identity="first", graceful_shutdown_timeout=timedelta(seconds=0.3)):
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


async def _reset(world: World, handle: WorkflowHandle[Any, Any], at: int) -> WorkflowHandle[Any, Any]:
    request = ResetWorkflowExecutionRequest(
        namespace=world.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.result_run_id or handle.run_id or ""),
        reason="a test",
        workflow_task_finish_event_id=at,
        request_id=f"{world.name} {at}",
    )
    answer = await world.client.workflow_service.reset_workflow_execution(request)
    world.note(handle.id, answer.run_id)
    return world.client.get_workflow_handle(handle.id, run_id=answer.run_id)


async def a_run_that_completed_is_reset(world: World) -> None:
    async with world.worker():
        handle = await world.start(Acts, [Act(), Act()])
        await world.end(handle)
        await world.end(await _reset(world, handle, 4))


async def a_run_is_reset_to_where_an_activity_is_pending(world: World) -> None:
    async with world.worker():
        handle = await world.start(ActsTogether, [Act(), Act(sleeps=1)])
        await world.reaches(handle, "WORKFLOW_TASK_COMPLETED", 2)
        await world.end(await _reset(world, handle, 11))
        await world.end(handle)


async def a_run_that_was_signalled_is_reset(world: World) -> None:
    async with world.worker():
        handle = await world.start(Listens, 2)
        await world.reaches(handle, "WORKFLOW_TASK_COMPLETED")
        await handle.signal(Listens.hear, "one")
        await world.reaches(handle, "WORKFLOW_TASK_COMPLETED", 2)
        again = await _reset(world, handle, 4)
        await world.reaches(again, "WORKFLOW_TASK_COMPLETED", 1)
        await again.signal(Listens.hear, "two")
        await world.end(again)


async def a_run_that_was_cancelled_is_reset(world: World) -> None:
    async with world.worker():
        handle = await world.start(Undoes, [Act(sleeps=8, beats=0.2, heartbeat=5, attempt=30, cancellation=WAIT), Act()])
        await world.begins(handle)
        await handle.cancel()
        await world.end(handle)
        await world.end(await _reset(world, handle, 4))


async def a_run_with_a_timer_is_reset(world: World) -> None:
    async with world.worker():
        handle = await world.start(Patched)
        await world.end(handle)
        await world.end(await _reset(world, handle, 10))


SCENARIOS: Final[list[Scenario]] = [
    each
    for name, each in list(globals().items())
    if callable(each) and getattr(each, "__module__", "") == __name__ and not name.startswith("_") and name.islower()
]

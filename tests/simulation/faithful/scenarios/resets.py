"""Resets."""

from __future__ import annotations

from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from tests.simulation.faithful.samples import (
    WAIT,
    Act,
    Acts,
    ActsTogether,
    Listens,
    Patched,
    Undoes,
)
from tests.simulation.faithful.scenario import collect
from tests.simulation.faithful.world import World


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
        handle = await world.start(ActsTogether, [Act(), Act(sleeps=5, attempt=30)])
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


SCENARIOS: Final = collect(globals())

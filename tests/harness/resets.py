"""Resets of runs, as the Temporal UI makes them: a run ends, and another begins again from the middle of its history."""

from __future__ import annotations

import asyncio
import uuid
from typing import Final, TypeAlias

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle

from mooring import names
from mooring.models import VolumeRef
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE

Run: TypeAlias = WorkflowHandle[object, object]

FIRST: Final = 0
LAST: Final = -1


async def last_run(client: Client, cluster: Cluster, handle: str) -> Run:
    """Return the newest run on a volume."""
    workflow_id = names.volume_id(VolumeRef(driver=cluster.driver, volume_handle=handle))
    run = await client.get_workflow_handle(workflow_id).describe()
    return client.get_workflow_handle(workflow_id, run_id=run.run_id)


async def tasks_done(run: Run) -> list[int]:
    """Wait for the end of the run's first workflow task, and return the events with which its tasks ended."""
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    async with asyncio.timeout(PATIENCE):
        while True:
            done = [event.event_id for event in (await run.fetch_history()).events if event.event_type == completed]
            if done:
                return done
            await asyncio.sleep(0.05)


async def reset(client: Client, run: Run, task: int, result: type[object]) -> Run:
    """Return the run that begins again at one of `run`'s workflow tasks, by its place in the list of them."""
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=run.run_id or ""),
            reason="a test",
            workflow_task_finish_event_id=(await tasks_done(run))[task],
            request_id=str(uuid.uuid4()),
        )
    )
    again: Run = client.get_workflow_handle(run.id, run_id=answer.run_id, result_type=result)
    return again

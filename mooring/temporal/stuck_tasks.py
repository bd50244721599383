"""Open runs whose workflow task keeps failing: their code can't go on, and workers try the same task again for ever.

Contract: Temporal's own description of a run reports that; its history has the cause of the first of the failures in a row. A task
that timed out once is none of them: its worker may have been killed, and the next one carries it out.

Not kept here: steps that fail, which are the run's pending activities (run_reader.py).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.service import RPCError, RPCStatusCode

from mooring.models import Model
from mooring.temporal.runs import describe, is_reset

if TYPE_CHECKING:
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.client import Client

_FAILED: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
_TIMED_OUT: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT
_AFTER_ONE_TIMEOUT: Final = 2


class StuckTask(Model):
    """The workflow task of an open run that has been failing `since` then, and is at its attempt `attempts`.

    `cause` is that of the first failure, "" if unknown; `timed_out`: no worker answered in time then.
    """

    namespace: str
    workflow_id: str
    run_id: str
    workflow: str
    attempts: int
    since: datetime
    cause: str
    timed_out: bool = False


async def read_stuck_tasks(client: Client, *workflow_ids: str) -> tuple[StuckTask, ...]:
    """Return the tasks that the newest runs of these ids can't get past: none of one that has ended, goes on, or doesn't exist.

    Raises:
        RPCError: Temporal didn't answer.

    """
    found = await asyncio.gather(*(_read(client, workflow_id) for workflow_id in workflow_ids))
    return tuple(task for task in found if task is not None)


async def _read(client: Client, workflow_id: str) -> StuckTask | None:
    run = await describe(client, workflow_id)
    pending = run.raw_description.pending_workflow_task if run else None
    if run is None or pending is None or pending.attempt <= 1:
        return None
    last = await _last_failure(client, workflow_id, run.run_id)
    timed_out = last is not None and last.event_type == _TIMED_OUT
    if timed_out and pending.attempt <= _AFTER_ONE_TIMEOUT:
        return None
    since = last.event_time if last is not None else pending.original_scheduled_time
    return StuckTask(
        namespace=client.namespace,
        workflow_id=workflow_id,
        run_id=run.run_id,
        workflow=run.workflow_type,
        attempts=pending.attempt,
        since=since.ToDatetime(UTC),
        cause=_cause(last) if last is not None else "",
        timed_out=timed_out,
    )


async def _last_failure(client: Client, workflow_id: str, run_id: str) -> HistoryEvent | None:
    """Return the last workflow task of the history that failed, or None. NB: of attempts in a row only the first is in it."""
    failed: HistoryEvent | None = None
    try:
        async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events():
            failed = event if event.event_type in (_FAILED, _TIMED_OUT) and not is_reset(event) else failed
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    return failed


def _cause(event: HistoryEvent) -> str:
    if event.event_type == _TIMED_OUT:
        return "no worker finished it in time"
    attributes = event.workflow_task_failed_event_attributes
    kind = WorkflowTaskFailedCause.Name(attributes.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_").lower().replace("_", " ")
    return attributes.failure.message or kind

"""The runs from which a run came by resets and continuations, all of its workflow id, and whether one of them had ended before.

Contract: each function that asks raises `TemporalUnavailable` where Temporal doesn't answer. A run that Temporal has forgotten
proves nothing.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

from temporalio.client import WorkflowExecutionStatus, WorkflowHistoryEventFilterType
from temporalio.service import RPCError, RPCStatusCode

from mooring.errors import TemporalUnavailable
from mooring.temporal.reasons import in_words
from mooring.temporal.runs import look_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection
    from datetime import datetime

    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.client import Client, WorkflowExecutionDescription

_ENDED: Final = (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED, WorkflowExecutionStatus.CANCELED)
"""The ends that a run makes by itself; one that was terminated may have been so by the reset."""


def first_run_id(run: WorkflowExecutionDescription) -> str:
    """Return the run that this one goes back to, over all that it was continued or reset from, "" where the server doesn't say."""
    return run.raw_description.workflow_execution_info.first_run_id


async def began_at(client: Client, run: WorkflowExecutionDescription) -> datetime:
    """Return when the run began, or the one whose history it goes on with, as it was reset from that."""
    began = [event.event_time.ToDatetime(UTC) async for event in _events(client, run.id, run.run_id)]
    return began[0] if began else run.start_time


async def had_ended_before(client: Client, run: WorkflowExecutionDescription) -> bool:
    """Return whether any run that this one goes back to had ended by itself, or the one that went on in its place had."""
    ahead, known = [run.run_id] if first_run_id(run) != run.run_id else [], {run.run_id}
    while ahead:
        for former in await _origins(client, run.id, ahead.pop()):
            if former in known:
                continue
            if await _had_ended(client, run.id, former, known):
                return True
            ahead.append(former)
            known.add(former)
    return False


async def _had_ended(client: Client, workflow_id: str, run_id: str, heirs: Collection[str]) -> bool:
    """Return whether the run has ended by itself, or the last of those that it was continued in; not if an heir is one."""
    run = await look_up(client, workflow_id, run_id)
    while run is not None and run.status is WorkflowExecutionStatus.CONTINUED_AS_NEW:
        following = await _continued_by(client, workflow_id, run.run_id)
        if not following or following in heirs:
            return False
        run = await look_up(client, workflow_id, following)
    return run is not None and run.status in _ENDED


async def _origins(client: Client, workflow_id: str, run_id: str) -> list[str]:
    """Return the runs that this one was reset or continued from.

    The origins of its origins are not all among them: a reset to before another one forgets that.
    """
    found: list[str] = []
    async for event in _events(client, workflow_id, run_id):
        found.append(event.workflow_task_failed_event_attributes.base_run_id)
        found.append(event.workflow_execution_started_event_attributes.continued_execution_run_id)
    return [origin for origin in dict.fromkeys(found) if origin not in ("", run_id)]


async def _continued_by(client: Client, workflow_id: str, run_id: str) -> str:
    """Return the run that this one was continued in, "" for none."""
    events = _events(client, workflow_id, run_id, WorkflowHistoryEventFilterType.CLOSE_EVENT)
    new = [event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id async for event in events]
    return new[-1] if new else ""


async def _events(
    client: Client,
    workflow_id: str,
    run_id: str,
    which: WorkflowHistoryEventFilterType = WorkflowHistoryEventFilterType.ALL_EVENT,
) -> AsyncIterator[HistoryEvent]:
    """Yield the events of the run's history, none of a run that the server has forgotten."""
    try:
        async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events(event_filter_type=which):
            yield event
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise TemporalUnavailable(f"Temporal did not return the origin of {workflow_id}: {in_words(error)}.") from error

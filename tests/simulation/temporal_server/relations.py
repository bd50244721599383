"""Timers, and what runs do to each other: children, signals, cancellations, and going on as a new run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import (
    CancelExternalWorkflowExecutionFailedCause,
    ParentClosePolicy,
    RetryState,
    SignalExternalWorkflowExecutionFailedCause,
    StartChildWorkflowExecutionFailedCause,
)
from temporalio.service import RPCError

from tests.simulation.clock import call_later, now
from tests.simulation.temporal_server import run as runs
from tests.simulation.temporal_server.defaults import DEFAULT_TIMEOUT
from tests.simulation.temporal_server.history import FIELDS, duration, seconds

if TYPE_CHECKING:
    from tests.simulation.temporal_server.run import Run

_SIGNAL_CAUSE: Final = SignalExternalWorkflowExecutionFailedCause
_CANCEL_CAUSE: Final = CancelExternalWorkflowExecutionFailedCause
_NO_SIGNAL: Final = _SIGNAL_CAUSE.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND
_NO_CANCEL: Final = _CANCEL_CAUSE.CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND
_TAKEN: Final = StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS
_PAUSE: Final = 1.0
"""Seconds between the starts of a run and of the one that goes on in its place, at least."""


@dataclass(slots=True)
class PendingTimer:
    """A timer that hasn't fired."""

    started_id: int
    handle: asyncio.TimerHandle


@dataclass(slots=True)
class PendingChild:
    """A child that hasn't ended, or hasn't begun; `asked` are the attributes of the event that asked for it."""

    asked: Any
    run: Run | None = None
    started_id: int = 0


def set_timer(run: Run, timer_id: str, started_id: int, length: float) -> None:
    """Have a timer fire."""

    def fire() -> None:
        del run.timers[timer_id]
        run.happen("TIMER_FIRED", lambda: run.write("TIMER_FIRED", timer_id=timer_id, started_event_id=started_id))

    run.timers[timer_id] = PendingTimer(started_id, call_later(length, fire))


def start_child(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    """Write that a child is asked for, and start it."""
    fields = {field.name: value for field, value in asked.ListFields() if field.name not in _UNWRITTEN}
    if not seconds(asked.workflow_task_timeout):
        fields["workflow_task_timeout"] = duration(DEFAULT_TIMEOUT)
    event = run.write("START_CHILD_WORKFLOW_EXECUTION_INITIATED", metadata, workflow_task_completed_event_id=done_id, **fields)
    begin_child(run, event.event_id, event.start_child_workflow_execution_initiated_event_attributes, metadata)


def begin_child(run: Run, initiated_id: int, asked: Any, metadata: Any) -> None:
    """Start the child that an event asked for."""
    run.children[initiated_id] = PendingChild(asked)
    run.server.later(_begin_child, run, initiated_id, metadata)


_UNWRITTEN: Final = ("inherit_build_id", "versioning_override")


def _begin_child(run: Run, initiated_id: int, metadata: Any) -> None:
    child = run.children[initiated_id]
    asked = child.asked
    if not run.open and asked.parent_close_policy != ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON:
        return
    ids = {"initiated_event_id": initiated_id, "workflow_type": asked.workflow_type}
    try:
        child.run = run.server.starts.start_child(run, initiated_id, asked, metadata)
    except RPCError:
        del run.children[initiated_id]

        def refused() -> None:
            run.write("START_CHILD_WORKFLOW_EXECUTION_FAILED", cause=_TAKEN, workflow_id=asked.workflow_id, **ids)

        run.happen("START_CHILD_WORKFLOW_EXECUTION_FAILED", refused)
        return
    execution = _execution(child.run)

    def write() -> None:
        event = run.write("CHILD_WORKFLOW_EXECUTION_STARTED", workflow_execution=execution, **ids)
        child.started_id = event.event_id

    run.happen("CHILD_WORKFLOW_EXECUTION_STARTED", write)


_CHILD_ENDS: Final = {
    runs.COMPLETED: ("COMPLETED", "result"),
    runs.FAILED: ("FAILED", "failure"),
    runs.CANCELED: ("CANCELED", "details"),
    runs.TERMINATED: ("TERMINATED", ""),
    runs.TIMED_OUT: ("TIMED_OUT", ""),
}


def report_to_parent(child: Run) -> None:
    """Have a child's parent learn how it ended."""
    if child.parent is None or child.status == runs.CONTINUED:
        return
    parent, initiated_id = child.parent.run, child.parent.initiated_id
    pending = parent.children.get(initiated_id)
    if pending is None or not parent.open:
        return
    del parent.children[initiated_id]
    ending, content = _CHILD_ENDS[child.status]
    kind = f"CHILD_WORKFLOW_EXECUTION_{ending}"
    fields: dict[str, Any] = {}
    last = child.events[-1]
    body = getattr(last, FIELDS[f"WORKFLOW_EXECUTION_{ending}"])
    if content and body.HasField(content):
        fields[content] = getattr(body, content)
    if ending in ("FAILED", "TIMED_OUT"):
        fields["retry_state"] = RetryState.RETRY_STATE_RETRY_POLICY_NOT_SET

    def write() -> None:
        execution = _execution(child)
        ids = {"initiated_event_id": initiated_id, "started_event_id": pending.started_id}
        parent.write(kind, workflow_execution=execution, workflow_type=child.started.workflow_type, **ids, **fields)

    parent.happen(kind, write)


def close_children(parent: Run) -> None:
    """Do to the children of a run that has ended what their policy says."""
    for child in list(parent.children.values()):
        run = child.run.heirs() if child.run is not None else None
        if run is None or not run.open:
            continue
        if child.asked.parent_close_policy == ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE:
            run.server.terminate(run, "by parent close policy", "history-service")
        elif child.asked.parent_close_policy == ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL:
            run.server.request_cancel(run, "", "history-service")


def signal_external(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    """Write that another run is to be signalled, and signal it."""
    fields = {field.name: value for field, value in asked.ListFields() if field.name != "execution"}
    event = run.write(
        "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
        metadata,
        workflow_task_completed_event_id=done_id,
        workflow_execution=asked.execution,
        **fields,
    )
    run.server.later(_signal_external, run, asked, event.event_id)


def _signal_external(run: Run, asked: Any, initiated_id: int) -> None:
    other = run.server.find(asked.execution.workflow_id, asked.execution.run_id)
    ids = {"initiated_event_id": initiated_id, "workflow_execution": asked.execution}
    if other is None or not other.open or (asked.child_workflow_only and (other.parent is None or other.parent.run is not run)):
        kind = "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED"
        run.happen(kind, lambda: run.write(kind, cause=_NO_SIGNAL, **ids))
        return
    given = asked.input if asked.HasField("input") else None
    run.server.signal(other, asked.signal_name, given, external_workflow_execution=_execution(run), header=asked.header)
    kind = "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED"
    run.happen(kind, lambda: run.write(kind, **ids))


def cancel_external(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    """Write that another run is to be cancelled, and request it."""
    fields = {
        field.name: value for field, value in asked.ListFields() if field.name in ("namespace", "child_workflow_only", "reason")
    }
    execution = WorkflowExecution(workflow_id=asked.workflow_id, run_id=asked.run_id)
    event = run.write(
        "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
        metadata,
        workflow_task_completed_event_id=done_id,
        workflow_execution=execution,
        **fields,
    )
    run.server.later(_cancel_external, run, asked, execution, event.event_id)


def _cancel_external(run: Run, asked: Any, execution: WorkflowExecution, initiated_id: int) -> None:
    other = run.server.find(execution.workflow_id, execution.run_id)
    ids = {"initiated_event_id": initiated_id, "workflow_execution": execution}
    if other is None or not other.open:
        kind = "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED"
        run.happen(kind, lambda: run.write(kind, cause=_NO_CANCEL, **ids))
        return
    by = f"Cancel requested by workflow with run id {run.run_id} with reason: {asked.reason}"
    by = asked.reason if asked.child_workflow_only else by
    run.server.request_cancel(other, by, "", external_initiated_event_id=initiated_id, external_workflow_execution=_execution(run))
    kind = "EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED"
    run.happen(kind, lambda: run.write(kind, **ids))


def continue_as_new(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    """End the run, and start one that goes on in its place."""
    successor = run.server.new_id()
    pause = max(0.0, _PAUSE - (now() - run.started_at).total_seconds(), seconds(asked.backoff_start_interval))
    fields = {
        field.name: value for field, value in asked.ListFields() if field.name not in ("backoff_start_interval", "retry_policy")
    }
    fields.pop("cron_schedule", None)
    run.write(
        "WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
        metadata,
        new_execution_run_id=successor,
        backoff_start_interval=duration(pause),
        workflow_task_completed_event_id=done_id,
        **fields,
    )
    run.successor = run.server.starts.continue_as_new(run, asked, successor, pause)
    run.close(runs.CONTINUED)


def _execution(run: Run) -> WorkflowExecution:
    return WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)

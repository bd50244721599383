"""Resets: a new run with a part of another's history, to which what came later from outside is applied again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import ResetReapplyExcludeType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure, ResetWorkflowFailureInfo
from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import RPCStatusCode

from tests.simulation.clock import now
from tests.simulation.temporal_server import relations
from tests.simulation.temporal_server.commands import merge_fields
from tests.simulation.temporal_server.errors import refusal
from tests.simulation.temporal_server.history import FIELDS, attributes_of, kind_of, seconds
from tests.simulation.temporal_server.relations import PendingChild
from tests.simulation.temporal_server.run import Run

if TYPE_CHECKING:
    from tests.simulation.temporal_server.server import Server

_RESET: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
_FINISHES: Final = ("WORKFLOW_TASK_STARTED", "WORKFLOW_TASK_COMPLETED", "WORKFLOW_TASK_FAILED", "WORKFLOW_TASK_TIMED_OUT")
_NO_SIGNALS: Final = ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL


def reset(server: Server, base: Run, asked: Any) -> Run:
    """Start the run to which another is reset.

    Raises:
        RPCError: its history doesn't have a workflow task there.

    """
    finish = asked.workflow_task_finish_event_id
    if not 1 < finish <= len(base.events) + 1 or not _is_task(base, finish):
        raise refusal(RPCStatusCode.INVALID_ARGUMENT, "WorkflowTaskFinishEventId must be > 1 && <= workflow last event ID.")
    current = server.find(base.workflow_id)
    run_id = server.new_id()
    run = _copy(server, base, run_id, finish - 1)
    if current is not None and current.open:
        server.terminate(current, asked.reason, "history-service")
    server.add(run)
    for before in {id(each): each for each in (base, current) if each is not None}.values():
        before.successor = run
    _fail_task(run, base, asked)
    rebuild(run)
    for event in _later(base, finish):
        _apply_again(run, event, asked)
    server.tasks.schedule(run)
    limit = seconds(run.started.workflow_run_timeout)
    if limit:
        run.deadline(limit, lambda: server.time_out(run))
    server.visibility.note(run)
    return run


def reset_at(run: Run) -> int:
    """Return the id of the event at which the run was reset, 0 if it never was."""
    resets = [event for event in run.events if kind_of(event) == "WORKFLOW_TASK_FAILED" and attributes_of(event).cause == _RESET]
    return resets[-1].event_id if resets else 0


def _is_task(base: Run, finish: int) -> bool:
    return finish - 2 >= 0 and kind_of(base.events[finish - 2]) in ("WORKFLOW_TASK_STARTED", "WORKFLOW_TASK_SCHEDULED")


def _copy(server: Server, base: Run, run_id: str, length: int) -> Run:
    run = Run(server, base.workflow_id, run_id, base.started, base.parent)
    for event in base.events[:length]:
        copied = HistoryEvent()
        copied.CopyFrom(event)
        run.events.append(copied)
        run.size += copied.ByteSize()
    run.started = run.events[0].workflow_execution_started_event_attributes
    run.memo.CopyFrom(run.started.memo)
    merge_fields(run.search_attributes.indexed_fields, run.started.search_attributes.indexed_fields)
    return run


def _fail_task(run: Run, base: Run, asked: Any) -> None:
    last = run.events[-1]
    if kind_of(last) == "WORKFLOW_TASK_SCHEDULED":
        last = run.write("WORKFLOW_TASK_STARTED", scheduled_event_id=last.event_id, identity="history-service")
    started, scheduled = last.event_id, last.workflow_task_started_event_attributes.scheduled_event_id
    failure = Failure(message=asked.reason, reset_workflow_failure_info=ResetWorkflowFailureInfo())
    run.write(
        "WORKFLOW_TASK_FAILED",
        scheduled_event_id=scheduled,
        started_event_id=started,
        cause=_RESET,
        failure=failure,
        identity=asked.identity,
        base_run_id=base.run_id,
        new_run_id=run.run_id,
    )


def _later(base: Run, finish: int) -> list[HistoryEvent]:
    """Return what came from outside after the point of the reset, to this run and to those that went on in its place."""
    events, run = list(base.events[finish - 1 :]), base
    while run.events and kind_of(run.events[-1]) == "WORKFLOW_EXECUTION_CONTINUED_AS_NEW":
        following = run.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        found = run.server.find(run.workflow_id, following)
        if found is None:
            break
        run = found
        events += run.events
    return events


def _apply_again(run: Run, event: HistoryEvent, asked: Any) -> None:
    kind, excluded = kind_of(event), asked.reset_reapply_exclude_types
    body = attributes_of(event)
    if kind == "WORKFLOW_EXECUTION_SIGNALED" and _NO_SIGNALS not in excluded:
        _write_again(run, kind, body, event)


def _write_again(run: Run, kind: str, body: Any, event: HistoryEvent) -> None:
    fields = {field.name: value for field, value in body.ListFields()}
    metadata = event.user_metadata if event.HasField("user_metadata") else None
    run.write(kind, metadata, **fields)


def rebuild(run: Run) -> None:
    """Have pending again what the events of a new run leave pending."""
    for event in list(run.events):
        apply = _APPLY.get(kind_of(event))
        if apply is not None:
            apply(run, event, getattr(event, FIELDS[kind_of(event)]))
    for activity in list(run.activities.values()):
        run.activities.pop(activity.scheduled_id)
        run.server.activities.add(run, activity.scheduled_id, activity.asked, activity.scheduled_at)


def _scheduled(run: Run, event: HistoryEvent, body: Any) -> None:
    from tests.simulation.temporal_server.activities import PendingActivity

    at = event.event_time.ToDatetime(tzinfo=UTC)
    run.activities[event.event_id] = PendingActivity(run, event.event_id, body, at)


def _activity_ended(run: Run, _: HistoryEvent, body: Any) -> None:
    run.activities.pop(body.scheduled_event_id, None)


def _cancel_asked(run: Run, event: HistoryEvent, body: Any) -> None:
    activity = run.activities.get(body.scheduled_event_id)
    if activity is not None:
        activity.cancel_requested_id = event.event_id


def _timer_set(run: Run, event: HistoryEvent, body: Any) -> None:
    passed = (now() - event.event_time.ToDatetime(tzinfo=UTC)).total_seconds()
    relations.set_timer(run, body.timer_id, event.event_id, max(0.0, seconds(body.start_to_fire_timeout) - passed))


def _timer_gone(run: Run, _: HistoryEvent, body: Any) -> None:
    timer = run.timers.pop(body.timer_id, None)
    if timer is not None:
        timer.handle.cancel()


def _child_asked(run: Run, event: HistoryEvent, body: Any) -> None:
    run.children[event.event_id] = PendingChild(body)


def _child_started(run: Run, event: HistoryEvent, body: Any) -> None:
    child = run.children[body.initiated_event_id]
    execution = body.workflow_execution
    child.run, child.started_id = run.server.find(execution.workflow_id, execution.run_id), event.event_id


def _child_ended(run: Run, _: HistoryEvent, body: Any) -> None:
    run.children.pop(body.initiated_event_id, None)


def _upserted(run: Run, _: HistoryEvent, body: Any) -> None:
    merge_fields(run.search_attributes.indexed_fields, body.search_attributes.indexed_fields)


def _modified(run: Run, _: HistoryEvent, body: Any) -> None:
    merge_fields(run.memo.fields, body.upserted_memo.fields)


def _cancel_requested(run: Run, _: HistoryEvent, __: Any) -> None:
    run.cancel_requested = True


_APPLY: Final[dict[str, Callable[[Run, HistoryEvent, Any], None]]] = {
    "ACTIVITY_TASK_SCHEDULED": _scheduled,
    "ACTIVITY_TASK_CANCEL_REQUESTED": _cancel_asked,
    **dict.fromkeys((f"ACTIVITY_TASK_{end}" for end in ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELED")), _activity_ended),
    "TIMER_STARTED": _timer_set,
    **dict.fromkeys(("TIMER_FIRED", "TIMER_CANCELED"), _timer_gone),
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED": _child_asked,
    "CHILD_WORKFLOW_EXECUTION_STARTED": _child_started,
    "START_CHILD_WORKFLOW_EXECUTION_FAILED": _child_ended,
    **dict.fromkeys(
        (f"CHILD_WORKFLOW_EXECUTION_{end}" for end in ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELED", "TERMINATED")), _child_ended
    ),
    "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES": _upserted,
    "WORKFLOW_PROPERTIES_MODIFIED": _modified,
    "WORKFLOW_EXECUTION_CANCEL_REQUESTED": _cancel_requested,
}

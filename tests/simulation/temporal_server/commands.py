"""The commands with which a worker answers a workflow task, each an event and whatever follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import CommandType, RetryState

from tests.simulation.clock import now
from tests.simulation.temporal_server import relations
from tests.simulation.temporal_server.history import duration, seconds
from tests.simulation.temporal_server.run import CANCELED, COMPLETED, FAILED

if TYPE_CHECKING:
    from tests.simulation.temporal_server.run import Run
    from tests.simulation.temporal_server.workflow_task import TaskAnswer

ENDINGS: Final = (
    CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
    CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
    CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
    CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
)
_POLICY: Final = RetryPolicy(initial_interval=duration(1), backoff_coefficient=2, maximum_interval=duration(100))


def carry_out(run: Run, command: Command, done_id: int, answer: TaskAnswer) -> None:
    """Carry out one command of the workflow task that ended with the event `done_id`."""
    if not run.open:
        return
    if command.command_type == CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE:
        update = answer.updates[command.protocol_message_command_attributes.message_id]
        run.updates[update.id].answer(update, done_id)
        return
    attributes = getattr(command, command.WhichOneof("attributes") or "")
    _CARRY[command.command_type](run, attributes, done_id, command.user_metadata if command.HasField("user_metadata") else None)


def reject_updates(run: Run, answer: TaskAnswer) -> None:
    """Answer the updates that a worker refuses."""
    for update in answer.updates.values():
        if update.is_rejection:
            run.updates[update.id].answer(update, 0)


def _schedule_activity(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    fields = _copied(asked, "activity_id", "activity_type", "task_queue", "header", "input", "priority", "use_workflow_build_id")
    close, start, attempt = map(
        seconds, (asked.schedule_to_close_timeout, asked.schedule_to_start_timeout, asked.start_to_close_timeout)
    )
    if close:
        start, attempt = min(start or close, close), min(attempt or close, close)
    else:
        limit = seconds(run.started.workflow_run_timeout)
        close, start = limit, start or limit
    event = run.write(
        "ACTIVITY_TASK_SCHEDULED",
        metadata,
        **fields,
        schedule_to_close_timeout=duration(close),
        schedule_to_start_timeout=duration(start),
        start_to_close_timeout=duration(attempt or close),
        heartbeat_timeout=_at_most(asked.heartbeat_timeout, attempt or close),
        retry_policy=_policy(asked),
        workflow_task_completed_event_id=done_id,
    )
    run.server.activities.add(run, event.event_id, event.activity_task_scheduled_event_attributes, now())


def _cancel_activity(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    scheduled = asked.scheduled_event_id
    event = run.write(
        "ACTIVITY_TASK_CANCEL_REQUESTED", metadata, scheduled_event_id=scheduled, workflow_task_completed_event_id=done_id
    )
    activity = run.activities.get(scheduled)
    if activity is not None:
        run.server.activities.cancel(activity, event.event_id)


def _start_timer(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    length = asked.start_to_fire_timeout
    event = run.write(
        "TIMER_STARTED",
        metadata,
        timer_id=asked.timer_id,
        start_to_fire_timeout=length,
        workflow_task_completed_event_id=done_id,
    )
    relations.set_timer(run, asked.timer_id, event.event_id, seconds(length))


def _cancel_timer(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    timer = run.timers.pop(asked.timer_id, None)
    if timer is None:
        return
    timer.handle.cancel()
    fields = {"timer_id": asked.timer_id, "started_event_id": timer.started_id}
    run.write("TIMER_CANCELED", metadata, workflow_task_completed_event_id=done_id, **fields)


def _complete(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    result = asked.result if asked.HasField("result") else None
    run.write("WORKFLOW_EXECUTION_COMPLETED", metadata, result=result, workflow_task_completed_event_id=done_id)
    run.close(COMPLETED)


def _fail(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    state = RetryState.RETRY_STATE_RETRY_POLICY_NOT_SET
    run.write(
        "WORKFLOW_EXECUTION_FAILED",
        metadata,
        failure=asked.failure,
        retry_state=state,
        workflow_task_completed_event_id=done_id,
    )
    run.close(FAILED)


def _cancel(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    details = asked.details if asked.HasField("details") else None
    run.write("WORKFLOW_EXECUTION_CANCELED", metadata, details=details, workflow_task_completed_event_id=done_id)
    run.close(CANCELED)


def _mark(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    fields = _copied(asked, "marker_name", "details", "failure")
    run.write("MARKER_RECORDED", metadata, workflow_task_completed_event_id=done_id, **fields)


def _upsert(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    run.write(
        "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
        metadata,
        search_attributes=asked.search_attributes,
        workflow_task_completed_event_id=done_id,
    )
    merge_fields(run.search_attributes.indexed_fields, asked.search_attributes.indexed_fields)
    run.server.visibility.note(run)


def _modify(run: Run, asked: Any, done_id: int, metadata: Any) -> None:
    memo = asked.upserted_memo
    run.write("WORKFLOW_PROPERTIES_MODIFIED", metadata, upserted_memo=memo, workflow_task_completed_event_id=done_id)
    merge_fields(run.memo.fields, memo.fields)
    run.server.visibility.note(run)


def merge_fields(into: Any, given: Any) -> None:
    """Set the given fields of a memo or of search attributes; one that is null is removed."""
    for name in sorted(given):
        value = given[name]
        if value.metadata.get("encoding") == b"binary/null" or value.data in (b"null", b"[]"):
            into.pop(name, None)
        else:
            into[name].CopyFrom(value)


def _copied(asked: Any, *names: str) -> dict[str, Any]:
    """Return the fields that are set."""
    present = {field.name: value for field, value in asked.ListFields()}
    return {name: present[name] for name in names if name in present}


def _at_most(given: Duration, limit: float) -> Duration:
    return duration(min(seconds(given), limit)) if limit else given


def _policy(asked: Any) -> RetryPolicy:
    policy = RetryPolicy()
    policy.CopyFrom(asked.retry_policy)
    if not seconds(policy.initial_interval):
        policy.initial_interval.CopyFrom(_POLICY.initial_interval)
    policy.backoff_coefficient = policy.backoff_coefficient or _POLICY.backoff_coefficient
    if not seconds(policy.maximum_interval):
        policy.maximum_interval.CopyFrom(duration(100 * seconds(policy.initial_interval)))
    return policy


_CARRY: Final[dict[CommandType.ValueType, Callable[[Run, Any, int, Any], None]]] = {
    CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK: _schedule_activity,
    CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK: _cancel_activity,
    CommandType.COMMAND_TYPE_START_TIMER: _start_timer,
    CommandType.COMMAND_TYPE_CANCEL_TIMER: _cancel_timer,
    CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION: _complete,
    CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION: _fail,
    CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION: _cancel,
    CommandType.COMMAND_TYPE_RECORD_MARKER: _mark,
    CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: _upsert,
    CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES: _modify,
    CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION: relations.start_child,
    CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION: relations.signal_external,
    CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION: relations.cancel_external,
    CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION: relations.continue_as_new,
}

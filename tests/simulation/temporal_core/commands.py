"""The commands of workflow code, as the server takes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload, Payloads, RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import CommandType, TaskQueueKind
from temporalio.api.failure.v1 import Failure
from temporalio.api.taskqueue.v1 import TaskQueue

_TYPES: Final = {name.removeprefix("COMMAND_TYPE_"): number for name, number in CommandType.items()}
_NORMAL: Final = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
_POLICIES = {0: 1, 1: 1, 2: 2, 3: 3}
"""Parent close policies: those of the core, and those of the server."""


def _make(kind: str, field: str, asked: Any = None, /, **fields: Any) -> Command:
    name = f"{field}_command_attributes"
    command = Command(command_type=_TYPES[kind])
    body = getattr(command, name)
    body.SetInParent()
    body.MergeFrom(type(body)(**{key: value for key, value in fields.items() if value is not None}))
    if asked is not None and asked.HasField("user_metadata"):
        command.user_metadata.CopyFrom(asked.user_metadata)
    return command


def schedule_activity(command: Any, queue: str) -> Command:
    """Return the command for an activity."""
    asked = command.schedule_activity
    return _make(
        "SCHEDULE_ACTIVITY_TASK",
        "schedule_activity_task",
        command,
        activity_id=asked.activity_id,
        activity_type={"name": asked.activity_type},
        task_queue=_queue(asked.task_queue or queue),
        header={"fields": asked.headers},
        input=Payloads(payloads=asked.arguments) if asked.arguments else None,
        schedule_to_close_timeout=asked.schedule_to_close_timeout,
        schedule_to_start_timeout=asked.schedule_to_start_timeout,
        start_to_close_timeout=asked.start_to_close_timeout,
        heartbeat_timeout=asked.heartbeat_timeout,
        retry_policy=asked.retry_policy if asked.HasField("retry_policy") else RetryPolicy(),
        use_workflow_build_id=(asked.task_queue or queue) == queue,
        priority=asked.priority,
    )


def cancel_activity(scheduled_id: int) -> Command:
    """Return the command to cancel an activity."""
    return _make("REQUEST_CANCEL_ACTIVITY_TASK", "request_cancel_activity_task", scheduled_event_id=scheduled_id)


def start_timer(command: Any) -> Command:
    """Return the command for a timer, whose id is its number."""
    asked = command.start_timer
    return _make("START_TIMER", "start_timer", command, timer_id=str(asked.seq), start_to_fire_timeout=asked.start_to_fire_timeout)


def cancel_timer(seq: int) -> Command:
    """Return the command to cancel a timer."""
    return _make("CANCEL_TIMER", "cancel_timer", timer_id=str(seq))


def complete(command: Any) -> Command:
    """Return the command to end a run with a result."""
    asked = command.complete_workflow_execution
    result = Payloads(payloads=[asked.result]) if asked.HasField("result") else None
    return _make("COMPLETE_WORKFLOW_EXECUTION", "complete_workflow_execution", command, result=result)


def fail(command: Any) -> Command:
    """Return the command to end a run with a failure."""
    failure = command.fail_workflow_execution.failure
    return _make("FAIL_WORKFLOW_EXECUTION", "fail_workflow_execution", command, failure=failure)


def cancel(command: Any) -> Command:
    """Return the command to end a run as cancelled."""
    asked = command.cancel_workflow_execution
    details = asked.details if asked.HasField("details") else None
    return _make("CANCEL_WORKFLOW_EXECUTION", "cancel_workflow_execution", command, details=details)


def continue_as_new(command: Any, workflow_type: str, queue: str, started: Any) -> Command:
    """Return the command to go on as a new run; `started` are the attributes with which this one began."""
    asked = command.continue_as_new_workflow_execution
    run, task = asked.workflow_run_timeout, asked.workflow_task_timeout
    return _make(
        "CONTINUE_AS_NEW_WORKFLOW_EXECUTION",
        "continue_as_new_workflow_execution",
        command,
        workflow_type=WorkflowType(name=asked.workflow_type or workflow_type),
        task_queue=_queue(asked.task_queue or queue),
        input=Payloads(payloads=asked.arguments) if asked.arguments else None,
        workflow_run_timeout=run if asked.HasField("workflow_run_timeout") else started.workflow_run_timeout,
        workflow_task_timeout=task if asked.HasField("workflow_task_timeout") else started.workflow_task_timeout,
        memo={"fields": asked.memo} if asked.memo else started.memo,
        header={"fields": asked.headers},
        search_attributes=asked.search_attributes if asked.HasField("search_attributes") else None,
        retry_policy=asked.retry_policy if asked.HasField("retry_policy") else None,
        backoff_start_interval=asked.backoff_start_interval,
    )


def start_child(command: Any, namespace: str, queue: str) -> Command:
    """Return the command for a child."""
    asked = command.start_child_workflow_execution
    return _make(
        "START_CHILD_WORKFLOW_EXECUTION",
        "start_child_workflow_execution",
        command,
        namespace=asked.namespace or namespace,
        workflow_id=asked.workflow_id,
        workflow_type=WorkflowType(name=asked.workflow_type),
        task_queue=_queue(asked.task_queue or queue),
        input=Payloads(payloads=asked.input) if asked.input else None,
        workflow_execution_timeout=asked.workflow_execution_timeout,
        workflow_run_timeout=asked.workflow_run_timeout,
        workflow_task_timeout=asked.workflow_task_timeout,
        parent_close_policy=_POLICIES[asked.parent_close_policy],
        workflow_id_reuse_policy=asked.workflow_id_reuse_policy or 1,
        retry_policy=asked.retry_policy if asked.HasField("retry_policy") else None,
        header={"fields": asked.headers},
        memo={"fields": asked.memo} if asked.memo else None,
        search_attributes=asked.search_attributes if asked.HasField("search_attributes") else None,
        priority=asked.priority,
    )


def signal_external(command: Any, namespace: str) -> Command:
    """Return the command to signal another run."""
    asked = command.signal_external_workflow_execution
    child = asked.WhichOneof("target") == "child_workflow_id"
    execution = {"workflow_id": asked.child_workflow_id}
    if not child:
        execution = {"workflow_id": asked.workflow_execution.workflow_id, "run_id": asked.workflow_execution.run_id}
    return _make(
        "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION",
        "signal_external_workflow_execution",
        command,
        namespace=(not child and asked.workflow_execution.namespace) or namespace,
        execution=execution,
        signal_name=asked.signal_name,
        input=Payloads(payloads=asked.args) if asked.args else None,
        header={"fields": asked.headers},
        child_workflow_only=child,
    )


def cancel_external(workflow_id: str, run_id: str, reason: str, namespace: str, *, child: bool) -> Command:
    """Return the command to cancel another run, or a child."""
    return _make(
        "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION",
        "request_cancel_external_workflow_execution",
        namespace=namespace,
        workflow_id=workflow_id,
        run_id=run_id,
        reason=reason,
        child_workflow_only=child,
    )


def upsert(attributes: Any) -> Command:
    """Return the command to set search attributes."""
    name = "upsert_workflow_search_attributes"
    return _make("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", name, search_attributes=attributes)


def modify(command: Any) -> Command:
    """Return the command to set fields of the memo."""
    memo = command.modify_workflow_properties.upserted_memo
    return _make("MODIFY_WORKFLOW_PROPERTIES", "modify_workflow_properties", command, upserted_memo=memo)


def mark_patch(patch: str, known: Sequence[str], *, deprecated: bool) -> list[Command]:
    """Return the commands for a patch's marker; `known` are the run's patches so far."""
    details = {"patch-data": Payloads(payloads=[as_json({"id": patch, "deprecated": deprecated})])}
    marker = _make("RECORD_MARKER", "record_marker", marker_name="core_patch", details=details)
    value = as_json(sorted({*known, patch}))
    value.metadata["type"] = b"KeywordList"
    return [marker, upsert({"indexed_fields": {"TemporalChangeVersion": value}})]


def mark_local(data: dict[str, Any], result: Payload | None, failure: Failure | None) -> Command:
    """Return the command for a local activity's marker."""
    details = {"data": Payloads(payloads=[as_json(data)])}
    if result is not None:
        details["result"] = Payloads(payloads=[result])
    return _make("RECORD_MARKER", "record_marker", marker_name="core_local_activity", details=details, failure=failure)


def send_message(message_id: str) -> Command:
    """Return the command that stands for an answer to an update, in the order of all commands."""
    return _make("PROTOCOL_MESSAGE", "protocol_message", message_id=message_id)


def as_json(value: Any) -> Payload:
    """Return a payload of plain JSON."""
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value, separators=(",", ":")).encode())


def _queue(name: str) -> TaskQueue:
    return TaskQueue(name=name, kind=_NORMAL)

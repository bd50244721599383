"""What is compared of two histories: the types of events, and the attributes that matter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from temporalio.api.enums.v1 import RetryState, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from tests.simulation.temporal_server.history import attributes_of, kind_of

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_NAMED = ("activity_type", "workflow_type")
_PLAIN = (
    "activity_id",
    "attempt",
    "timer_id",
    "signal_name",
    "marker_name",
    "initiator",
    "scheduled_event_id",
    "started_event_id",
    "initiated_event_id",
    "workflow_task_completed_event_id",
    "latest_cancel_requested_event_id",
    "parent_initiated_event_id",
    "parent_close_policy",
    "external_initiated_event_id",
    "accepted_event_id",
    "child_workflow_only",
)
_LIMITS = (
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
    "start_to_fire_timeout",
    "workflow_task_timeout",
    "workflow_run_timeout",
    "workflow_execution_timeout",
)
_FAILURES = ("failure", "last_failure", "continued_failure")
_MAPS = {"memo": "fields", "upserted_memo": "fields", "search_attributes": "indexed_fields"}


def trace(events: Sequence[HistoryEvent]) -> list[str]:
    """Return a line for each event."""
    return [f"{event.event_id} {kind_of(event)}{same(''.join(_facts(attributes_of(event))))}" for event in events]


def same(facts: str) -> str:
    """Leave out ids and times, which differ in any case."""
    return _TIME.sub("a time", _ID.sub("an id", facts))


def _facts(body: Any) -> list[str]:
    present = {field.name: value for field, value in body.ListFields()}
    facts = [f" {name}={present[name].name}" for name in _NAMED if name in present]
    facts += [f" {name}={present[name]}" for name in _PLAIN if name in present]
    facts += [f" {name}={present[name].ToTimedelta().total_seconds():g}" for name in _LIMITS if _lasts(present, name)]
    facts += [f" {name}={_chain(present[name])}" for name in _FAILURES if name in present]
    facts += [f" {name}={sorted(getattr(present[name], _MAPS[name]))}" for name in _MAPS if name in present]
    facts += [f" {name}={[bytes(each.data) for each in present[name].payloads]}" for name in ("result", "input") if name in present]
    if "retry_state" in present:
        facts.append(f" retry_state={RetryState.Name(body.retry_state)}")
    if "timeout_type" in present:
        facts.append(f" timeout_type={TimeoutType.Name(body.timeout_type)}")
    if "task_queue" in present:
        facts.append(" sticky" if present["task_queue"].normal_name else "")
    return [*facts, *_cause(body, present)]


def _lasts(present: dict[str, Any], name: str) -> bool:
    return name in present and bool(present[name].ToTimedelta())


def _cause(body: Any, present: dict[str, Any]) -> list[str]:
    if "cause" not in present:
        return []
    is_task = body.DESCRIPTOR.name.startswith("WorkflowTaskFailed")
    cause = WorkflowTaskFailedCause.Name(body.cause) if is_task else body.cause
    return [f" cause={cause}"]


def _chain(failure: Failure) -> str:
    kind = failure.WhichOneof("failure_info") or "none"
    info: Any = getattr(failure, kind) if kind != "none" else None
    match kind:
        case "application_failure_info":
            said = f"{info.type or '-'}{'!' if info.non_retryable else ''}"
        case "timeout_failure_info":
            said = TimeoutType.Name(info.timeout_type)
        case _:
            said = kind.removesuffix("_failure_info")
    return f"{said}({failure.message})" + (f" < {_chain(failure.cause)}" if failure.HasField("cause") else "")

"""The jobs of an activation, made of events."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import RetryState
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.activity_result import ActivityResolution, Cancellation, Success
from temporalio.bridge.proto.activity_result import Failure as FailedActivity
from temporalio.bridge.proto.child_workflow import Cancellation as CancelledChild
from temporalio.bridge.proto.child_workflow import ChildWorkflowResult
from temporalio.bridge.proto.child_workflow import Failure as FailedChild
from temporalio.bridge.proto.child_workflow import Success as DoneChild
from temporalio.bridge.proto.workflow_activation import (
    InitializeWorkflow,
    ResolveActivity,
    ResolveChildWorkflowExecution,
    WorkflowActivationJob,
)


class _Activity(Protocol):
    """What a failure says of its activity."""

    @property
    def activity_id(self) -> str: ...

    @property
    def activity_type(self) -> str: ...


_COPIED = (
    "identity",
    "workflow_execution_timeout",
    "workflow_run_timeout",
    "workflow_task_timeout",
    "first_execution_run_id",
    "attempt",
    "cron_schedule",
    "workflow_execution_expiration_time",
    "original_execution_run_id",
    "last_completion_result",
    "retry_policy",
    "memo",
    "search_attributes",
    "priority",
)


def seed_of(run_id: str) -> int:
    """Return the seed of a run's random numbers."""
    return int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=8).digest()) >> 1


def initialize(event: HistoryEvent, workflow_id: str) -> WorkflowActivationJob:
    """Return the first job of a run."""
    started = event.workflow_execution_started_event_attributes
    present = {field.name: value for field, value in started.ListFields()}
    job = InitializeWorkflow(
        workflow_type=started.workflow_type.name,
        workflow_id=workflow_id,
        arguments=started.input.payloads,
        randomness_seed=seed_of(started.original_execution_run_id),
        headers=started.header.fields,
        continued_from_execution_run_id=started.continued_execution_run_id,
        continued_initiator=started.initiator,
        start_time=event.event_time,
        **{name: present[name] for name in _COPIED if name in present},
    )
    if "continued_failure" in present:
        job.continued_failure.CopyFrom(started.continued_failure)
    if "parent_workflow_execution" in present:
        parent = started.parent_workflow_execution
        job.parent_workflow_info.namespace = started.parent_workflow_namespace
        job.parent_workflow_info.workflow_id, job.parent_workflow_info.run_id = parent.workflow_id, parent.run_id
    if "root_workflow_execution" in present:
        job.root_workflow.CopyFrom(started.root_workflow_execution)
    return WorkflowActivationJob(initialize_workflow=job)


def activity_done(seq: int, result: Payload | None, *, local: bool = False) -> WorkflowActivationJob:
    """Return that an activity has a result."""
    return _activity(seq, ActivityResolution(completed=Success(result=result)), local)


def activity_failed(seq: int, failure: Failure, *, local: bool = False) -> WorkflowActivationJob:
    """Return that an activity failed or timed out; `failure` is that of the activity as a whole."""
    return _activity(seq, ActivityResolution(failed=FailedActivity(failure=failure)), local)


def activity_cancelled(seq: int, failure: Failure, *, local: bool = False) -> WorkflowActivationJob:
    """Return that an activity was cancelled."""
    return _activity(seq, ActivityResolution(cancelled=Cancellation(failure=failure)), local)


def activity_again(seq: int, backoff: Any) -> WorkflowActivationJob:
    """Return that a local activity is to be scheduled again later."""
    return _activity(seq, ActivityResolution(backoff=backoff), True)


def of_activity(cause: Failure, state: _Activity, **fields: Any) -> Failure:
    """Return the failure of an activity as a whole."""
    failure = Failure(message="Activity task failed", cause=cause)
    info = failure.activity_failure_info
    info.activity_id, info.activity_type.name = state.activity_id, state.activity_type
    for name, value in fields.items():
        setattr(info, name, value)
    return failure


def cancelled(state: _Activity, details: Sequence[Payload] = (), **fields: Any) -> Failure:
    """Return the failure of an activity that was cancelled."""
    cause = Failure(message="Activity cancelled")
    cause.canceled_failure_info.details.payloads.extend(details)
    failure = of_activity(cause, state, **fields)
    failure.message = "Activity cancelled"
    return failure


def child_done(seq: int, result: Payload | None) -> WorkflowActivationJob:
    """Return that a child has a result."""
    return _child(seq, ChildWorkflowResult(completed=DoneChild(result=result)))


def child_failed(seq: int, failure: Failure) -> WorkflowActivationJob:
    """Return that a child failed, timed out or was terminated."""
    return _child(seq, ChildWorkflowResult(failed=FailedChild(failure=failure)))


def child_cancelled(seq: int, failure: Failure) -> WorkflowActivationJob:
    """Return that a child was cancelled."""
    return _child(seq, ChildWorkflowResult(cancelled=CancelledChild(failure=failure)))


def of_child(cause: Failure, body: Any, message: str = "Child Workflow execution failed") -> Failure:
    """Return the failure of a child as its parent sees it."""
    failure = Failure(message=message, cause=cause)
    info = failure.child_workflow_execution_failure_info
    info.workflow_execution.CopyFrom(body.workflow_execution)
    info.workflow_type.CopyFrom(body.workflow_type)
    info.initiated_event_id, info.started_event_id = body.initiated_event_id, body.started_event_id
    info.retry_state = getattr(body, "retry_state", RetryState.RETRY_STATE_UNSPECIFIED)
    return failure


def first(payloads: Any) -> Payload | None:
    """Return the only payload, if there is one."""
    return payloads.payloads[0] if payloads.payloads else None


def _activity(seq: int, result: ActivityResolution, local: bool) -> WorkflowActivationJob:
    return WorkflowActivationJob(resolve_activity=ResolveActivity(seq=seq, result=result, is_local=local))


def _child(seq: int, result: ChildWorkflowResult) -> WorkflowActivationJob:
    return WorkflowActivationJob(resolve_child_workflow_execution=ResolveChildWorkflowExecution(seq=seq, result=result))

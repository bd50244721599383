"""The ends of what a run waits for: activities, children, signals and cancellations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.workflow_activation import (
    ResolveChildWorkflowExecutionStart,
    ResolveRequestCancelExternalWorkflow,
    ResolveSignalExternalWorkflow,
    WorkflowActivationJob,
)

from tests.simulation.temporal_core import jobs
from tests.simulation.temporal_core.states import ActivityState, ChildState

if TYPE_CHECKING:
    from tests.simulation.temporal_core.machines import Machines

CHILD_ABANDON: Final = 0
CHILD_TRY_CANCEL: Final = 1


def _activity(machines: Machines, body: Any) -> ActivityState | None:
    state = machines.scheduled.pop(body.scheduled_event_id, None)
    if state is not None:
        machines.activities.pop(state.seq, None)
    return state


def _ids(body: Any) -> dict[str, Any]:
    ids = {"scheduled_event_id": body.scheduled_event_id, "started_event_id": body.started_event_id}
    return {**ids, "identity": getattr(body, "identity", "")}


def _completed(machines: Machines, body: Any) -> None:
    state = _activity(machines, body)
    if state is not None:
        machines.jobs.append(jobs.activity_done(state.seq, jobs.first(body.result)))


def _failed(machines: Machines, body: Any) -> None:
    state = _activity(machines, body)
    if state is not None:
        failure = jobs.of_activity(body.failure, state, retry_state=body.retry_state, **_ids(body))
        machines.jobs.append(jobs.activity_failed(state.seq, failure))


def _timed_out(machines: Machines, body: Any) -> None:
    state = _activity(machines, body)
    if state is not None:
        failure = jobs.of_activity(body.failure, state, retry_state=body.retry_state, **_ids(body))
        failure.message = "Activity task timed out"
        machines.jobs.append(jobs.activity_failed(state.seq, failure))


def _canceled(machines: Machines, body: Any) -> None:
    state = _activity(machines, body)
    if state is not None:
        failure = jobs.cancelled(state, list(body.details.payloads), **_ids(body))
        machines.jobs.append(jobs.activity_cancelled(state.seq, failure))


def _child_started(machines: Machines, body: Any) -> None:
    state = machines.initiated.get(body.initiated_event_id)
    if state is not None:
        state.run_id = body.workflow_execution.run_id
        start = ResolveChildWorkflowExecutionStart(seq=state.seq)
        start.succeeded.run_id = state.run_id
        machines.jobs.append(WorkflowActivationJob(resolve_child_workflow_execution_start=start))


def _child_not_started(machines: Machines, body: Any) -> None:
    state = _child(machines, body)
    if state is not None:
        start = ResolveChildWorkflowExecutionStart(seq=state.seq)
        start.failed.workflow_id, start.failed.workflow_type = state.workflow_id, state.workflow_type
        start.failed.cause = body.cause
        machines.jobs.append(WorkflowActivationJob(resolve_child_workflow_execution_start=start))


def _child(machines: Machines, body: Any) -> ChildState | None:
    state = machines.initiated.pop(body.initiated_event_id, None)
    if state is not None:
        machines.children.pop(state.seq, None)
    return state


def _child_completed(machines: Machines, body: Any) -> None:
    state = _child(machines, body)
    if state is not None:
        machines.jobs.append(jobs.child_done(state.seq, jobs.first(body.result)))


def _child_failed(machines: Machines, body: Any) -> None:
    state = _child(machines, body)
    if state is not None:
        machines.jobs.append(jobs.child_failed(state.seq, jobs.of_child(body.failure, body)))


def _child_canceled(machines: Machines, body: Any) -> None:
    state = _child(machines, body)
    if state is not None:
        cause = Failure(message="Child Workflow execution canceled")
        cause.canceled_failure_info.details.CopyFrom(body.details)
        machines.jobs.append(jobs.child_cancelled(state.seq, jobs.of_child(cause, body, "Child Workflow execution cancelled")))


def _child_timed_out(machines: Machines, body: Any) -> None:
    state = _child(machines, body)
    if state is not None:
        cause = Failure(message="Child Workflow execution timed out")
        cause.timeout_failure_info.timeout_type = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
        machines.jobs.append(jobs.child_failed(state.seq, jobs.of_child(cause, body, "Child Workflow execution timed out")))


def _child_terminated(machines: Machines, body: Any) -> None:
    state = _child(machines, body)
    if state is not None:
        cause = Failure(message="Terminated")
        cause.terminated_failure_info.SetInParent()
        machines.jobs.append(jobs.child_failed(state.seq, jobs.of_child(cause, body, "Child Workflow execution terminated")))


def child_never_began(state: ChildState) -> WorkflowActivationJob:
    """Return that a child was cancelled before the server was asked for it."""
    start = ResolveChildWorkflowExecutionStart(seq=state.seq)
    start.cancelled.failure.CopyFrom(_cancelled_child(state, "Child Workflow execution cancelled before scheduled"))
    return WorkflowActivationJob(resolve_child_workflow_execution_start=start)


def child_given_up(state: ChildState) -> WorkflowActivationJob:
    """Return that the run waits no longer for a child that it has cancelled."""
    return jobs.child_cancelled(state.seq, _cancelled_child(state, "Child Workflow execution cancelled"))


def _cancelled_child(state: ChildState, message: str) -> Failure:
    failure = Failure(message=message)
    failure.cause.message = message
    failure.cause.canceled_failure_info.SetInParent()
    info = failure.child_workflow_execution_failure_info
    info.workflow_execution.workflow_id, info.workflow_execution.run_id = state.workflow_id, state.run_id
    info.workflow_type.name = state.workflow_type
    info.initiated_event_id = state.initiated_id
    return failure


def _signalled(machines: Machines, body: Any) -> None:
    _resolve_external(machines, body, _signal_resolved)


def _not_signalled(machines: Machines, body: Any) -> None:
    _resolve_external(machines, body, _signal_resolved, _unable("signal external workflow because it was not found"))


def _cancelled_external(machines: Machines, body: Any) -> None:
    _resolve_external(machines, body, _cancel_resolved)


def _not_cancelled_external(machines: Machines, body: Any) -> None:
    _resolve_external(machines, body, _cancel_resolved, _unable("cancel external workflow because not found"))


def _resolve_external(
    machines: Machines, body: Any, made: Callable[[int, Failure | None], WorkflowActivationJob], failure: Failure | None = None
) -> None:
    seq = machines.external.pop(body.initiated_event_id, None)
    if seq is not None:
        machines.jobs.append(made(seq, failure))


def _signal_resolved(seq: int, failure: Failure | None) -> WorkflowActivationJob:
    resolved = ResolveSignalExternalWorkflow(seq=seq, failure=failure)
    return WorkflowActivationJob(resolve_signal_external_workflow=resolved)


def _cancel_resolved(seq: int, failure: Failure | None) -> WorkflowActivationJob:
    resolved = ResolveRequestCancelExternalWorkflow(seq=seq, failure=failure)
    return WorkflowActivationJob(resolve_request_cancel_external_workflow=resolved)


def _unable(what: str) -> Failure:
    failure = Failure(message=f"Unable to {what}")
    failure.application_failure_info.type = "ExternalWorkflowExecutionNotFound"
    return failure


RESOLVE: Final[dict[str, Callable[[Machines, Any], None]]] = {
    "ACTIVITY_TASK_COMPLETED": _completed,
    "ACTIVITY_TASK_FAILED": _failed,
    "ACTIVITY_TASK_TIMED_OUT": _timed_out,
    "ACTIVITY_TASK_CANCELED": _canceled,
    "CHILD_WORKFLOW_EXECUTION_STARTED": _child_started,
    "START_CHILD_WORKFLOW_EXECUTION_FAILED": _child_not_started,
    "CHILD_WORKFLOW_EXECUTION_COMPLETED": _child_completed,
    "CHILD_WORKFLOW_EXECUTION_FAILED": _child_failed,
    "CHILD_WORKFLOW_EXECUTION_CANCELED": _child_canceled,
    "CHILD_WORKFLOW_EXECUTION_TIMED_OUT": _child_timed_out,
    "CHILD_WORKFLOW_EXECUTION_TERMINATED": _child_terminated,
    "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED": _signalled,
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED": _not_signalled,
    "EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED": _cancelled_external,
    "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED": _not_cancelled_external,
}

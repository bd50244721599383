"""The refusals of the server, with the statuses and details of the real one."""

from __future__ import annotations

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NotFoundFailure, WorkflowExecutionAlreadyStartedFailure
from temporalio.service import RPCError, RPCStatusCode


def refusal(status: RPCStatusCode, message: str, *details: Message) -> RPCError:
    """Return the error of a request."""
    packed = []
    for detail in details:
        each = Any()
        each.Pack(detail)
        packed.append(each)
    return RPCError(message, status, GrpcStatus(code=status, message=message, details=packed).SerializeToString())


def not_found(message: str) -> RPCError:
    """Return the error for something that isn't there, or no longer."""
    return refusal(RPCStatusCode.NOT_FOUND, message, NotFoundFailure())


def world_ended() -> RPCError:
    """Return the error for whoever asks after the end of the world."""
    return refusal(RPCStatusCode.UNAVAILABLE, "The world has ended.")


def already_started(run_id: str, first_run_id: str, request_id: str) -> RPCError:
    """Return the error for a workflow id that is taken."""
    message = f"Workflow execution is already running or closed. WorkflowId: taken, RunId: {run_id}."
    details = WorkflowExecutionAlreadyStartedFailure(run_id=run_id, start_request_id=request_id)
    if "first_execution_run_id" in WorkflowExecutionAlreadyStartedFailure.DESCRIPTOR.fields_by_name:
        details.first_execution_run_id = first_run_id
    return refusal(RPCStatusCode.ALREADY_EXISTS, message, details)

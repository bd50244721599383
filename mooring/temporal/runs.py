"""The state of runs in Temporal: the open run and its request, the outcome of an ended one.

Contract: an open run is recognised by the first event of its history, whoever started it and in whatever language. Errors of the
server and of workflows are raised as `MooringError`.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from pydantic import ValidationError
from temporalio import exceptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, TaskQueueType, WorkflowTaskFailedCause
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from mooring.errors import (
    MooringError,
    OperationCancelled,
    OperationPending,
    OperationTerminated,
    TemporalUnavailable,
    UnreadableHistory,
    WorkerUnavailable,
    from_failure,
)
from mooring.models import PublishRequest, UnpublishRequest, VolumeRef
from mooring.names import PUBLISH
from mooring.temporal.reasons import in_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from temporalio.api.common.v1 import Payload
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle

T = TypeVar("T")

_FIRST_TASK: Final = 3
"""Events of a history while its first workflow task is tried for the first time: the start, the task scheduled and started."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run, and the JSON of its request."""

    workflow_id: str
    run_id: str
    workflow: str
    payload: Any

    def does(self, workflow: str, asked: VolumeRef) -> bool:
        """Return whether it carries out the very same request."""
        return self.workflow == workflow and self._request(type(asked)) == asked

    def publishes(self, asked: UnpublishRequest) -> bool:
        """Return whether it publishes the volume that `asked` would unpublish."""
        request = self._request(PublishRequest) if self.workflow == PUBLISH else None
        return request is not None and asked.node_id in ("", request.node_id)

    def _request(self, model: type[T]) -> T | None:
        try:
            return model.model_validate(self.payload)  # type: ignore[attr-defined,no-any-return]
        except ValidationError:
            return None


async def read_run(client: Client, workflow_id: str, run_id: str | None) -> OpenRun | None:
    """Read the run; return None if the server has none."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    try:
        first = await anext(handle.fetch_history_events(page_size=1))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return await _opened(client, workflow_id, run_id, first)


async def read_result(client: Client, workflow_id: str, run_id: str, workflow: str, asked: VolumeRef, result: type[T]) -> T | None:
    """Return the result of the run, or None if it has not completed or was asked for something else, or the server has none."""
    try:
        events = (await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()).events
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    ended = events[-1]
    if ended.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
        return None
    if not (await _opened(client, workflow_id, run_id, events[0])).does(workflow, asked):
        return None
    payloads = ended.workflow_execution_completed_event_attributes.result.payloads
    found: T = (await client.data_converter.decode(payloads, [result]))[0]
    return found


async def _opened(client: Client, workflow_id: str, run_id: str | None, first: HistoryEvent) -> OpenRun:
    """Return the run by the first event of its history."""
    started = first.workflow_execution_started_event_attributes
    run = run_id or started.original_execution_run_id
    return OpenRun(workflow_id, run, started.workflow_type.name, await _decoded(client, started.input.payloads))


@contextmanager
def legible(workflow_id: str, run_id: str) -> Iterator[None]:
    """Make an `UnreadableHistory` of whatever keeps what a run was asked or answered from being read in the block.

    NB: a payload codec is the user's code, and raises what it likes.
    """
    try:
        yield
    except (RPCError, WorkflowFailureError, MooringError):
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise UnreadableHistory(f"Run {run_id} of {workflow_id} can't be read ({said}), so its effect is unknown.") from error


def is_reset(event: HistoryEvent) -> bool:
    """Return whether the event ends what a run has of its former self: the run was reset there."""
    cause = event.workflow_task_failed_event_attributes.cause
    return cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW


def is_run_id(text: str) -> bool:
    """Return whether a text that anybody may have written on a PV can be the id of a run."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


async def describe(client: Client, workflow_id: str, run_id: str | None = None) -> WorkflowExecutionDescription | None:
    """Describe the run, or the newest of its id; return None if there is none, raise RPCError if Temporal doesn't answer.

    NB: the server takes the run id "" for the newest run, and rejects one that is no UUID; a record may have either (`is_run_id`).
    """
    try:
        return await client.get_workflow_handle(workflow_id, run_id=run_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def look_up(client: Client, workflow_id: str, run_id: str | None = None) -> WorkflowExecutionDescription | None:
    """Describe the run like `describe`, but raise the retryable TemporalUnavailable if Temporal doesn't answer."""
    try:
        return await describe(client, workflow_id, run_id)
    except RPCError as error:
        raise _no_state(workflow_id, error) from error


async def is_in_first_task(client: Client, workflow_id: str, run_id: str) -> bool:
    """Return whether the run's first workflow task is under way, in its first try; raise TemporalUnavailable if nothing says it.

    NB: a worker that was frozen goes on with a task that the server has long given to another one. Each undisturbed operation asks,
    so the answer is not made into a description.
    """
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
    try:
        answer = await client.workflow_service.describe_workflow_execution(request)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise _no_state(workflow_id, error) from error
    run = answer.workflow_execution_info
    return run.status == WorkflowExecutionStatus.RUNNING.value and run.history_length == _FIRST_TASK


def _no_state(workflow_id: str, error: RPCError) -> TemporalUnavailable:
    return TemporalUnavailable(f"Temporal did not return the state of {workflow_id}: {in_words(error)}.")


async def _decoded(client: Client, payloads: Sequence[Payload]) -> Any:
    try:
        return (await client.data_converter.decode(payloads))[0]
    except Exception:  # NB: a payload codec raises what it likes
        return None  # whatever another program has sent, it is nothing that Mooring asks


async def workers_of(client: Client, queue: str) -> list[str]:
    """Return the identities of the workers that polled the task queue lately (the server remembers them for five minutes)."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    answer = await client.workflow_service.describe_task_queue(request)
    return sorted({poller.identity for poller in answer.pollers})


async def answer(handle: WorkflowHandle[Any, T], what: str) -> T:
    """Wait for the run's result and return it, or raise the error that it ended with."""
    try:
        return await handle.result()
    except WorkflowFailureError as failed:
        raise _error(failed.cause, what) from failed


@dataclass(slots=True)
class Call:
    """Progress of a call: `pending` is "" until Temporal has answered it, then it says what goes on without the caller."""

    pending: str = ""


@asynccontextmanager
async def deadline(seconds: float, what: str) -> AsyncIterator[Call]:
    """Bound the block, and turn an error of the server or a timeout into a `MooringError`."""
    call = Call()
    try:
        async with asyncio.timeout(seconds):
            yield call
    except TimeoutError:
        if call.pending:
            raise OperationPending(f"{what} had no answer within {seconds:g} s; {call.pending}.") from None
        raise TemporalUnavailable(f"{what} could not be requested from Temporal within {seconds:g} s; it may have begun.") from None
    except (RPCError, RuntimeError) as error:  # the SDK raises the latter where a lazy client can't connect
        raise TemporalUnavailable(f"{what} could not be requested from Temporal: {in_words(error)}.") from error


def _error(cause: BaseException, what: str) -> MooringError:
    while isinstance(cause, exceptions.ActivityError) and cause.cause is not None:
        cause = cause.cause
    match cause:
        case exceptions.ApplicationError():
            return from_failure(cause.type, cause.message)
        case exceptions.CancelledError():
            return OperationCancelled(f"{what} was cancelled.")
        case exceptions.TerminatedError():
            return OperationTerminated(f"{what} was terminated: {cause}.")
        case exceptions.TimeoutError():
            return WorkerUnavailable(f"{what} ran out of time: no worker has answered.")
        case _:
            return MooringError(f"{what} failed: {cause}.")

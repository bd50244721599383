"""Operations on volumes: each is started, or the run that is open already is joined, and its answer awaited.

Contract: an open run of the volume's id is joined if it does the very same; any other is waited for, until the deadline. An
unpublish of a volume that is just being published cancels that publish, as CSI lets a CO do, and follows its rollback. A deadline
or a lost caller never cancels an operation: the next call joins it.

Not kept here: the recognition of a run (runs.py), the requests (mooring/client.py), and the operations themselves (workflows/).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from temporalio.client import WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from mooring import names
from mooring.commands import arguments, code
from mooring.errors import OperationPending
from mooring.models import Model, UnpublishRequest, VolumeRef
from mooring.temporal import runs

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

M = TypeVar("M", bound=Model)

BOUND: Final = timedelta(hours=1)
"""Shortest limit of an unpublish that is bound to the state its caller saw: after that, the caller decides again.

NB: the limit also ends a run whose only remaining workers have a version that can't carry it on, so no volume is locked for good.
"""
GOES_ON: Final = "the operation goes on"
_EXPLAINED: Final = 1024
"""Characters of a volume handle that a run's details name; a server takes 20,000 bytes of them."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[M]):
    """A request, the workflow that carries it out, the type of its result, its summary, and its name in messages."""

    workflow: str
    asked: VolumeRef
    result: type[M]
    summary: str
    what: str

    def longest(self, deadline: float) -> timedelta | None:
        """Return the limit of the run, or None: a caller's own request is never given up, nor a rollback cut off."""
        is_bound = isinstance(self.asked, UnpublishRequest) and self.asked.bound
        return max(BOUND, timedelta(seconds=5 * deadline)) if is_bound else None


class Operations:
    """The operations that are started on one task queue; `eager` as for a `MooringClient`."""

    def __init__(self, client: Client, queue: str, *, eager: bool) -> None:
        self._client = client
        self._queue = queue
        self._eager = eager

    async def carry_out(self, operation: Operation[M], deadline: float, *, waits: bool = True) -> M:
        """Have the operation carried out and return its result, or raise the error that it ended with.

        Raises:
            OperationPending: no answer within `deadline` seconds; or another one is open, and this call `waits` for none.

        """
        async with runs.deadline(deadline, operation.what) as call:
            while True:
                handle, other = await self._start_or_find(operation, deadline)
                if handle is not None:
                    call.pending = GOES_ON
                    return await runs.answer(handle, operation.what)
                if other is not None:
                    call.pending = f"it waits for {other.workflow}, run {other.run_id}, which goes on"
                    await self._outwait(other, operation, waits=waits)

    async def _start_or_find(
        self, operation: Operation[M], deadline: float
    ) -> tuple[WorkflowHandle[Any, M] | None, runs.OpenRun | None]:
        """Return the run that carries out the request, or the other one that has to end first (neither, if it has just ended)."""
        try:
            return await self._start(operation, deadline), None
        except WorkflowAlreadyStartedError as started:
            run = await runs.read_run(self._client, names.volume_id(operation.asked), started.run_id)
        if run is None or not run.does(operation.workflow, operation.asked):
            return None, run
        return self._client.get_workflow_handle(run.workflow_id, run_id=run.run_id, result_type=operation.result), None

    async def _start(self, operation: Operation[M], deadline: float) -> WorkflowHandle[Any, M]:
        asked = operation.asked
        return await self._client.start_workflow(
            operation.workflow,
            asked,
            id=names.volume_id(asked),
            task_queue=names.adoption_queue(self._queue) if operation.workflow == names.ADOPT else self._queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            run_timeout=operation.longest(deadline),
            result_type=operation.result,
            static_summary=names.summary(operation.summary),
            static_details=_details(asked.volume_handle),
            task_timeout=names.TASK_TIMEOUT,
            request_eager_start=self._eager,
        )

    async def _outwait(self, other: runs.OpenRun, operation: Operation[M], *, waits: bool) -> None:
        if not waits:
            raise OperationPending(f"{operation.what} has to wait for {other.workflow}, run {other.run_id}, which is open.")
        handle = self._client.get_workflow_handle(other.workflow_id, run_id=other.run_id)
        asked = operation.asked
        if isinstance(asked, UnpublishRequest) and not asked.bound and other.publishes(asked):
            await _cancel(handle)
        await _ended(handle)


def _details(volume_handle: str) -> str:
    command = code(f"mooring explain {arguments(volume_handle)}") if len(volume_handle) < _EXPLAINED else "`mooring explain`"
    return f"{command} shows all that is known of this volume, and what to do."


async def _cancel(handle: WorkflowHandle[Any, Any]) -> None:
    try:
        await handle.cancel()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # it has just ended by itself
            raise


async def _ended(handle: WorkflowHandle[Any, Any]) -> None:
    try:
        await handle.result()
    except WorkflowFailureError:
        return

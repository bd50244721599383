"""MooringClient: the requests of callers, carried out as operations.

Contract: one call is one answer, a typed result or a `MooringError`.

Not kept here: how an operation is started, joined and waited for (mooring/temporal/operations.py), and the operations themselves
(workflows/).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from mooring import names
from mooring.errors import InvalidRequest, MooringError, WorkerUnavailable
from mooring.models import (
    DEFAULT_DRIVER,
    AccessMode,
    AdoptRequest,
    PublishRequest,
    PublishResult,
    RebuildResult,
    UnpublishRequest,
    UnpublishResult,
    VolumeRef,
    VolumeStatus,
    faults,
)
from mooring.settings import default_task_queue
from mooring.temporal import runs
from mooring.temporal.operations import GOES_ON, Operation, Operations
from mooring.temporal.rebuild import start_rebuild

M = TypeVar("M", bound=BaseModel)

__all__ = ["MooringClient"]

DEADLINE = 15.0
"""Seconds a call waits for its answer: the default timeout of the CSI sidecars."""

NAMES_CHARACTERS = 65536
"""Characters of handle and node id together with which an unpublish can be carried out: no object of Kubernetes holds much more."""


class MooringClient:
    """The client that publishes and unpublishes the volumes of one CSI driver.

    `client` must convert payloads by `temporalio.contrib.pydantic.pydantic_data_converter`; `mooring.temporal.connect` makes one.
    `eager`: a worker of this very client is in this process, and may begin an operation without a task from the server.
    """

    def __init__(self, client: Client, *, driver: str = DEFAULT_DRIVER, task_queue: str | None = None, eager: bool = False) -> None:
        self._client = client
        self._driver = driver
        self._queue = task_queue or default_task_queue(driver)
        self._operations = Operations(client, self._queue, eager=eager)

    async def publish(
        self,
        volume_handle: str,
        node_id: str,
        *,
        access_mode: AccessMode | str = AccessMode.SINGLE_NODE_WRITER,
        readonly: bool = False,
        deadline: float = DEADLINE,
    ) -> PublishResult:
        """Have `node_id` hold the volume.

        Raises:
            InvalidRequest: a field is missing or malformed.
            HeldElsewhere: another node holds it. Incompatible: this one does, otherwise than asked.
            OperationPending: no answer within `deadline` seconds; the operation goes on.
            MooringError: any other row of `mooring.errors`.

        """
        asked = _valid(
            PublishRequest,
            driver=self._driver,
            volume_handle=volume_handle,
            node_id=node_id,
            access_mode=access_mode,
            readonly=readonly,
        )
        return await self.request_publish(asked, deadline=deadline)

    async def request_publish(self, asked: PublishRequest, *, deadline: float = DEADLINE) -> PublishResult:
        """Carry out a publish request that was made elsewhere; raise as `publish` does."""
        summary = f"publish {asked.volume_handle} to {asked.node_id}"
        what = f"The publish of volume {asked.volume_handle} to node {asked.node_id}"
        return await self._operations.carry_out(Operation(names.PUBLISH, asked, PublishResult, summary, what), deadline)

    async def unpublish(self, volume_handle: str, node_id: str = "", *, deadline: float = DEADLINE) -> UnpublishResult:
        """Have `node_id`, or for "" every node, no longer hold the volume; raise as `publish` does."""
        asked = _valid(UnpublishRequest, driver=self._driver, volume_handle=volume_handle, node_id=node_id)
        return await self.request_unpublish(asked, deadline=deadline)

    async def request_unpublish(self, asked: UnpublishRequest, *, deadline: float = DEADLINE) -> UnpublishResult:
        """Carry out an unpublish request that was made elsewhere; raise as `publish` does.

        A name that is longer than any of a volume or a node is attached nowhere, which is answered at once.
        """
        if len(asked.volume_handle) + len(asked.node_id) > NAMES_CHARACTERS:
            return _detached_already(asked)
        summary = f"unpublish {asked.volume_handle} from {asked.node_id or 'every node'}"
        what = f"The unpublish of volume {asked.volume_handle} from {f'node {asked.node_id}' if asked.node_id else 'every node'}"
        return await self._operations.carry_out(Operation(names.UNPUBLISH, asked, UnpublishResult, summary, what), deadline)

    async def adopt(self, asked: AdoptRequest, *, deadline: float = DEADLINE) -> PublishResult:
        """Have an existing attachment recorded.

        Raises:
            Contended: the volume's record is no longer the one that the request was decided on.
            OperationPending: another operation on the volume is open, which is not waited for; or as in `publish`, which raises
                the rest as well.

        """
        summary = f"adopt {asked.volume_handle} on {asked.attachment.node_id}"
        what = f"The adoption of volume {asked.volume_handle} on node {asked.attachment.node_id}"
        operation = Operation(names.ADOPT, asked, PublishResult, summary, what)
        return await self._operations.carry_out(operation, deadline, waits=False)

    async def get(self, volume_handle: str, *, deadline: float = DEADLINE) -> VolumeStatus:
        """Return the holders of the volume, by its live PV."""
        asked = volume_ref(self._driver, volume_handle)
        what = f"The reading of volume {volume_handle}"
        async with runs.deadline(deadline, what) as call:
            handle = await self._client.start_workflow(
                names.READ,
                asked,
                id=names.read_id(asked),
                task_queue=self._queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                execution_timeout=timedelta(seconds=deadline * 0.9),  # so that the caller hears that no worker has answered
                result_type=VolumeStatus,
                static_summary=names.summary(f"read {volume_handle}"),
            )
            call.pending = GOES_ON
            return await runs.answer(handle, what)

    async def rebuild(self, *, deadline: float = 60.0) -> list[RebuildResult | MooringError]:
        """Have every worker of the driver rebuild its index, and return each one's answer, results and errors alike."""
        async with runs.deadline(deadline, "The search for workers"):
            workers = await runs.workers_of(self._client, self._queue)
        if not workers:
            raise WorkerUnavailable(f"No worker polls task queue {self._queue}.")
        answers = await asyncio.gather(*(self._rebuild(worker, deadline) for worker in workers), return_exceptions=True)
        return [_expected(answer) for answer in answers]

    async def _rebuild(self, worker: str, deadline: float) -> RebuildResult:
        what = f"The rebuild of the index of worker {worker}"
        async with runs.deadline(deadline, what) as call:
            handle = await start_rebuild(self._client, self._driver, worker, self._queue, timedelta(seconds=deadline))
            call.pending = GOES_ON
            return await runs.answer(handle, what)


def volume_ref(driver: str, volume_handle: str) -> VolumeRef:
    """Return the volume with these names; raise InvalidRequest if none can have them."""
    return _valid(VolumeRef, driver=driver, volume_handle=volume_handle)


def _valid(model: type[M], **fields: object) -> M:
    try:
        return model(**fields)
    except ValidationError as error:
        raise InvalidRequest(f"The request for volume {fields['volume_handle']!r} is malformed ({faults(error)}).") from None


def _detached_already(asked: UnpublishRequest) -> UnpublishResult:
    return UnpublishResult(
        driver=asked.driver,
        volume_handle=asked.volume_handle,
        node_id=asked.node_id,
        released=(),
        epoch=0,
        annotation_cleared=True,
        message="No volume or node with such a long name can be attached, so there was nothing to do.",
    )


def _expected(answer: RebuildResult | BaseException) -> RebuildResult | MooringError:
    if isinstance(answer, RebuildResult | MooringError):
        return answer
    raise answer

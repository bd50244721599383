"""The evidence of a volume's operations about a VolumeAttachment: was its node unpublished since it was made?

Contract: a run begins and ends by Temporal's clock, a VolumeAttachment is made by the API server's, and these may differ by `skew`
seconds. Times closer together than that are UNKNOWN, and so is anything that Temporal may have forgotten. An unpublish counts if
it was carried out: one that changed nothing proves nothing, unless the record bears its id.

Not kept here: the conclusions (rules.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from mooring import names
from mooring.adoption.rules import in_question
from mooring.cluster.volume_attachments import Attached, Volume
from mooring.errors import MooringError, TemporalUnavailable, UnreadableHistory
from mooring.models import UnpublishRequest, UnpublishResult, VolumeRef
from mooring.process.at_once import ask_each
from mooring.records.past import Past, conclude
from mooring.temporal.reasons import in_words
from mooring.temporal.runs import is_run_id, legible, look_up, read_run

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecution


CLOCK_SKEW: Final = 10.0
"""Seconds that the clocks of Temporal and the API server may differ by, unless MOORING_CLOCK_SKEW says otherwise."""
MAX_RUNS: Final = 50
"""Unpublishes of one volume that are looked into, the newest ones."""
MAX_CONCURRENT_OF_A_VOLUME: Final = 8
"""Number of one volume's VolumeAttachments that are asked about at once."""
MAX_ANSWERS: Final = 10_000
"""Answers that are kept."""

logger = logging.getLogger(__name__)

_Key: TypeAlias = tuple[str, str, datetime]


class Detachments(Protocol):
    """The ends of attachments, as far as they are remembered."""

    async def since(self, volume: Volume, attached: Attached) -> Past:
        """Return what has become of the volume on this node since the VolumeAttachment was made.

        Raises:
            TemporalUnavailable: Temporal didn't answer.

        """


class NoDetachments:
    """The detachments without Temporal: nothing is known."""

    async def since(self, volume: Volume, attached: Attached) -> Past:  # noqa: ARG002 - whatever it is
        """See `Detachments`."""
        return Past.UNKNOWN


class LateDetachments:
    """The detachments for a command, which connects to Temporal only if it has to ask; without an answer nothing is known."""

    def __init__(self, reach: Callable[[], Awaitable[Client | None]], skew: float, now: Callable[[], datetime]) -> None:
        self._reach = reach
        self._skew = skew
        self._now = now
        self._reached: asyncio.Task[Detachments] | None = None

    async def since(self, volume: Volume, attached: Attached) -> Past:
        """See `Detachments`."""
        if self._reached is None:
            self._reached = asyncio.create_task(self._find())
        try:
            return await (await self._reached).since(volume, attached)
        except TemporalUnavailable:
            return Past.UNKNOWN

    async def _find(self) -> Detachments:
        try:
            client = await self._reach()
        except MooringError:
            client = None
        return TemporalDetachments(client, self._skew, self._now) if client else NoDetachments()


class TemporalDetachments:
    """The operations of one driver's volumes. `now` is UTC."""

    def __init__(self, client: Client, skew: float, now: Callable[[], datetime]) -> None:
        self._client = client
        self._skew = timedelta(seconds=skew)
        self._now = now
        self._answers: dict[_Key, Past] = {}
        """Answers by the run that wrote the record last: until another run writes it, each doubt is asked about only once."""

    async def since(self, volume: Volume, attached: Attached) -> Past:
        """See `Detachments`."""
        ref = VolumeRef(driver=volume.driver, volume_handle=volume.handle)
        key = volume.record.operation, attached.name, attached.since
        if key not in self._answers:
            try:
                writer = await self._writer(ref, volume.record.operation)
                past = await self._since(ref, writer, attached)
            except UnreadableHistory as error:
                logger.warning("The last operations on volume %s are unknown: %s", volume.handle, error)
                return Past.UNKNOWN
            except RPCError as error:
                what = f"the operations on volume {volume.handle}"
                raise TemporalUnavailable(f"Temporal did not return {what}: {in_words(error)}.") from error
            if not volume.record.operation or (writer is not None and writer.close_time is None):
                return past
            self._keep(key, past)
        return self._answers[key]

    def _keep(self, key: _Key, past: Past) -> None:
        if len(self._answers) >= MAX_ANSWERS:
            self._answers.clear()
        self._answers[key] = past

    async def _since(self, volume: VolumeRef, writer: WorkflowExecution | None, attached: Attached) -> Past:
        ended = writer.close_time if writer else None
        if conclude(attached.since, ended, (), self._skew) is Past.YOUNGER:
            return Past.YOUNGER
        listed = await self._unpublishes(volume, attached)
        runs = {run.run_id: run for run in (*listed, *([writer] if writer else []))}
        began = [run.start_time for run in runs.values() if await self._detached(run, attached, wrote=run is writer)]
        past = conclude(attached.since, ended, began, self._skew)
        remembered = past is not Past.KEPT or (len(listed) < MAX_RUNS and await self._remembers(volume, attached))
        return past if remembered else Past.UNKNOWN

    async def _writer(self, volume: VolumeRef, operation: str) -> WorkflowExecution | None:
        """Return the run that wrote the record last, if Temporal still has it."""
        if not is_run_id(operation):
            return None
        found = await look_up(self._client, names.volume_id(volume), operation)
        return found or await look_up(self._client, names.unpersisted_id(volume), operation)

    async def _unpublishes(self, volume: VolumeRef, attached: Attached) -> list[WorkflowExecution]:
        query = (
            f"WorkflowId = {names.quoted(names.volume_id(volume))} AND WorkflowType = '{names.UNPUBLISH}' "
            f"AND ExecutionStatus = 'Completed' AND CloseTime >= '{(attached.since - self._skew).isoformat()}'"
        )
        return [run async for run in self._client.list_workflows(query, limit=MAX_RUNS)]

    async def _detached(self, run: WorkflowExecution, attached: Attached, *, wrote: bool) -> bool:
        """Return whether the run took the volume from the VolumeAttachment's node.

        NB: one that `wrote` the record did, though it was cut off or did not learn of it: the record comes after the backend.
        """
        if run.workflow_type != names.UNPUBLISH or not (wrote or run.status is WorkflowExecutionStatus.COMPLETED):
            return False
        asked = await self._asked(run)
        if asked.node_id not in ("", attached.node_id):
            return False
        return wrote or not asked.bound or await self._released(run, attached.node_id or "")

    async def _asked(self, run: WorkflowExecution) -> UnpublishRequest:
        """Return what the unpublish was asked for.

        Raises:
            UnreadableHistory: its input can't be read here, so that it may have detached the node.

        """
        read = await read_run(self._client, run.id, run.run_id)
        with legible(run.id, run.run_id):
            return UnpublishRequest.model_validate(read.payload if read else None)

    async def _released(self, run: WorkflowExecution, node_id: str) -> bool:
        handle = self._client.get_workflow_handle(run.id, run_id=run.run_id, result_type=UnpublishResult)
        with legible(run.id, run.run_id):
            return node_id in (await handle.result()).released

    async def _remembers(self, volume: VolumeRef, attached: Attached) -> bool:
        """Return whether no run on the volume since the VolumeAttachment was made can have been forgotten."""
        asked = DescribeNamespaceRequest(namespace=self._client.namespace)
        told = await self._client.workflow_service.describe_namespace(asked)
        kept = told.config.workflow_execution_retention_ttl.ToTimedelta()
        return attached.since >= self._now() - kept + self._skew or await self._knows_the_first_write(volume)

    async def _knows_the_first_write(self, volume: VolumeRef) -> bool:
        """Return whether the oldest run that is remembered ended at epoch 1, so that there was none before."""
        query = f"WorkflowId = {names.quoted(names.volume_id(volume))} AND ExecutionStatus = 'Completed'"
        listed = [run async for run in self._client.list_workflows(query, limit=MAX_RUNS)]
        if not 0 < len(listed) < MAX_RUNS:
            return False
        oldest = min(listed, key=lambda run: run.start_time)
        handle = self._client.get_workflow_handle(oldest.id, run_id=oldest.run_id, result_type=dict[str, object])
        with legible(oldest.id, oldest.run_id):
            return bool((await handle.result()).get("epoch") == 1)


async def look_back(volume: Volume, attached: Sequence[Attached], detachments: Detachments) -> dict[str, Past]:
    """Return what has become of those of the volume's VolumeAttachments that its record doesn't know, by their names."""
    asked = in_question(volume, attached)
    past = await ask_each(partial(detachments.since, volume), asked, MAX_CONCURRENT_OF_A_VOLUME)
    return {each.name: found for each, found in zip(asked, past, strict=True)}

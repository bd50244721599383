"""The activities that look at a volume's record and change it: track in memory, persist on the PV, roll back in memory.

Contract: a write goes to the API server as decided. An attachment is tracked in the index while its write is under way, and no
longer: one that landed is known by its PV, one that did not is out of the index before that is reported.

The first step decides, by the fence, the write of an undisturbed operation, and attempts it once. If its outcome is unknown, the
visible step repeats that very write; if not even the write is known, the run is told (`attempted`).

Not kept here: the rules of a decision (mooring/records/fence.py), and the order of the steps (workflows/).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from temporalio import activity

from activities.attempt import attempt
from mooring import names
from mooring.errors import (
    HeldElsewhere,
    Incompatible,
    InvalidRequest,
    KubernetesForbidden,
    MalformedRecord,
    MooringError,
    TemporalUnavailable,
)
from mooring.evidence.asker import AskingRun
from mooring.models import (
    FirstWrite,
    NodeVerdict,
    ObserveInput,
    ObserveResult,
    OperationLimits,
    ReadInput,
    ReadResult,
    Refusal,
    UnpersistedRun,
    VolumeRecord,
    VolumeRef,
    Write,
    WriteResult,
)
from mooring.records import fence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
    from datetime import datetime

    from temporalio.client import WorkflowExecutionDescription

    from mooring.adoption.doubts import Doubts
    from mooring.evidence.evidence import EvidenceReader, NewestHold
    from mooring.index.manager import AttachmentManager
    from mooring.records.compact import CompactRecord
    from mooring.records.store import RecordStore

A = TypeVar("A")

_OBSERVE_SECONDS: Final = 2.0
"""Seconds that the first step, which nobody sees waiting, asks beyond memory; a live look has a budget."""
_AT_ONCE_SECONDS: Final = 1.0
"""Seconds of the one attempt to write in the first step: far less than a workflow task's, which the server would take for lost."""


class AttachmentActivities:
    """The record of one driver's volumes, as this worker's index and its API server have it."""

    def __init__(
        self,
        driver: str,
        manager: AttachmentManager,
        doubts: Doubts,
        volumes: RecordStore,
        evidence: EvidenceReader,
        limits: OperationLimits,
        newest_hold: Callable[[VolumeRef], Coroutine[Any, Any, WorkflowExecutionDescription | None]],
        waits_in: Callable[[WorkflowExecutionDescription | None], Awaitable[UnpersistedRun | None]],
        cached: Callable[[str, str], NodeVerdict],
        begins: Callable[[str, str], Awaitable[bool]],
        now: Callable[[], datetime],
        *,
        at_once: bool = True,
    ) -> None:
        self._at_once = at_once
        self._driver = driver
        self._newest_hold = newest_hold
        self._waits_in = waits_in
        self._cached = cached
        self._begins = begins
        self._now = now
        self._manager = manager
        self._doubts = doubts
        self._volumes = volumes
        self._evidence = evidence
        self._limits = limits

    @activity.defn(name="observe_volume")
    async def observe(self, asked: ObserveInput) -> ObserveResult:
        """Return the index's record, the attachment that waits for a PV, memory's answer about the node, and this worker's limits.

        Memory only, but for two questions to Temporal about its own state, which has just handed out this task; and for more of
        them about a volume whose record has no epoch. An undisturbed operation's write is made here, once.
        """
        async with attempt():
            self._check_driver(asked)
            seen = await self._remembered(asked)
            if activity.info().attempt > 1:  # NB: the attempt before may have written, and is heard of no more
                return seen.model_copy(update={"undisturbed": False, "attempted": asked.at_once})
            write = self._decide(asked, seen.record) if seen.undisturbed and seen.record is not None else None
            if write is None:
                return seen
            made = await self._attempt(asked, write)
            known = None if made.result is not None and asked.acquires is not None else seen.record
            return seen.model_copy(update={"made": made, "record": known})

    async def _remembered(self, asked: ObserveInput) -> ObserveResult:
        """Return the result without a write.

        NB: Temporal is asked after the mark was read from memory. Whoever goes on with the run after its answer moves the epoch.
        """
        memory = self._in_memory(asked)
        node = self._cached(asked.volume_handle, asked.node_id) if asked.node_id else NodeVerdict.ADMITTED
        doubt = self._doubts.refused.get(asked.volume_handle, "") if asked.node_id else ""
        calm = self._at_once and asked.at_once and _is_plain(memory) and node is NodeVerdict.ADMITTED and not doubt
        async with _asked_once(self._newest_hold(asked)) as hold:
            waiting, record, may_write = await asyncio.gather(
                self._waiting(hold), self._known(asked.volume_handle, memory, hold), self._may_write(asked, memory, calm=calm)
            )
        undisturbed = may_write and waiting is None and _is_plain(record)
        return ObserveResult(record=record, waiting=waiting, limits=self._limits, node=node, doubt=doubt, undisturbed=undisturbed)

    async def _may_write(self, asked: ObserveInput, memory: VolumeRecord | None, *, calm: bool) -> bool:
        """Return whether the operation is calm, and its task the first one of its run, which was not given to another worker.

        NB: else a worker that was frozen would write on what it has seen after the run had ended, with a mark that is up to date.
        An epoch that was known before the run began is no such mark: whoever has ended the run, or gone on with it, has moved it.
        A renewal is a visible step whatever the answer, and a release after a backend's detach is made in a later task, which
        nobody begins whose first one was given to another worker.
        """
        if not calm or memory is None or asked.at_epoch not in (None, memory.epoch) or _renews(asked, memory):
            return False
        if asked.at_epoch or (asked.acquires is None and self._limits.backend):
            return True
        run = activity.info()
        try:
            async with asyncio.timeout(_OBSERVE_SECONDS):
                return await self._begins(run.workflow_id or "", run.workflow_run_id or "")
        except (TemporalUnavailable, TimeoutError):
            return False

    def _decide(self, asked: ObserveInput, record: VolumeRecord) -> Write | None:
        """Decide the write of an undisturbed operation, or return None if it is none of the first step."""
        if asked.acquires is not None and fence.may_be_local(record):
            most = self._limits.migration_nodes
            decision = fence.acquire(record, asked.acquires, _run_id(), self._now(), migration_nodes=most)
            return decision.write if isinstance(decision, fence.Acquire) else None
        if asked.releases is not None and not self._limits.backend:  # NB: the backend detaches before
            return fence.release(record, asked, asked.releases, _run_id())
        return None

    async def _attempt(self, asked: ObserveInput, write: Write) -> FirstWrite:
        """Make the one attempt, and return its outcome."""
        try:
            async with asyncio.timeout(_AT_ONCE_SECONDS):
                made = self._acquire(write) if asked.acquires is not None else self._persist(write, leaves=True)
                return FirstWrite(result=await made)
        except MooringError as error:
            if error.retryable or isinstance(error, _outlasted() or ()):
                return FirstWrite(hangs=write)
            return FirstWrite(refusal=Refusal(error=error.type_name(), message=str(error)))
        except TimeoutError:
            return FirstWrite(hangs=write)

    @activity.defn(name="look_at_volume")
    async def look(self, look: ReadInput) -> ReadResult:
        """Read the record on the PV now."""
        async with attempt(patient=look.patient, outlasts=_outlasted()):
            self._check_driver(look.volume)
            handle = look.volume.volume_handle
            before, pvs = self._manager.entries(handle), self._manager.pvs(handle)
            record = await self._volumes.read(handle, pvs, look.pvs)
            if record is not None and record.unreadable and look.patient:
                raise MalformedRecord(record.unreadable[0])  # a rollback has to reach each PV that its run may have written
            found = await self._evidence.look_found(handle, before, pvs, record, _asking())
            known = found.record
            if look.holder and record is not None and known is not None:
                known = await self._evidence.as_settled(handle, record, known, look.holder, _asking(), look.asker)
            return ReadResult(record=known, by=_run_id(), departed=found.departed, unplaced=found.unplaced)

    @activity.defn(name="record_attachment")
    async def record(self, write: Write) -> WriteResult:
        """Make `write.node_id` a holder: track, persist, roll back."""
        async with attempt():
            return await self._acquire(write)

    @activity.defn(name="release_attachment")
    async def release(self, write: Write) -> WriteResult:
        """Write the record of an unpublish."""
        async with attempt(outlasts=_outlasted()):
            return await self._persist(write, leaves=True)

    @activity.defn(name="persist_attachment")
    async def persist(self, write: Write) -> WriteResult:
        """Write the record of an attachment that waited for its PV; retry whatever the error."""
        async with attempt(patient=True):
            return await self._persist(write)

    @activity.defn(name="undo_attachment")
    async def undo(self, write: Write) -> WriteResult:
        """Write the record of a rollback; retry whatever the error."""
        async with attempt(patient=True):
            return await self._persist(write, leaves=True)

    def _check_driver(self, volume: VolumeRef) -> None:
        if volume.driver != self._driver:
            raise InvalidRequest(
                f"Volume {volume.volume_handle} belongs to driver {volume.driver}, "
                f"but this task queue's workers serve {self._driver}."
            )

    def _in_memory(self, volume: VolumeRef) -> VolumeRecord | None:
        try:
            return self._manager.observe(volume.volume_handle)
        except MooringError:
            return None  # the index may be stale: a live look says it again, if it still is so

    async def _waiting(self, newest_hold: NewestHold) -> UnpersistedRun | None:
        return await self._waits_in(await newest_hold())

    async def _known(self, handle: str, record: VolumeRecord | None, newest_hold: NewestHold) -> VolumeRecord | None:
        """Return the record with the evidence beyond it, or None if that is not to be had at once."""
        try:
            async with asyncio.timeout(_OBSERVE_SECONDS):
                return record and await self._evidence.as_known(handle, record, _asking(), newest_hold)
        except (MooringError, TimeoutError):
            return None  # an outage may be short: a live look says it again, if it still is so

    async def _acquire(self, write: Write) -> WriteResult:
        self._check_driver(write.volume)
        before = self._manager.entries(write.volume.volume_handle)
        tracked, forget = self._track(write), self._manager.untrack_attachment
        try:
            result = await self._volumes.compare_and_set(write)
            forget = self._manager.stop_tracking if result.landed else forget
        finally:
            if tracked:
                forget(write.volume.volume_handle, write.node_id)
        return await self._learnt(write, result, before)

    async def _persist(self, write: Write, *, leaves: bool = False) -> WriteResult:
        self._check_driver(write.volume)
        before = self._manager.entries(write.volume.volume_handle)
        result = await self._volumes.compare_and_set(write)
        if leaves and result.landed:
            self._manager.untrack_attachment(write.volume.volume_handle, write.node_id)
        return await self._learnt(write, result, before)

    async def _learnt(self, write: Write, result: WriteResult, before: Sequence[CompactRecord]) -> WriteResult:
        handle = write.volume.volume_handle
        if result.landed and result.record is not None:
            self._manager.learn(handle, result.record)
            return result.model_copy(update={"by": _run_id()})
        pvs = [part.mark.pv for part in write.parts]
        try:
            found = await self._evidence.look_found(handle, before, pvs, result.record, _asking())
        except MooringError as error:
            error.landed_in_part = bool(write.others)  # refused on one PV, it may stand on those before
            raise
        return WriteResult(landed=False, record=found.record, by=_run_id(), departed=found.departed, unplaced=found.unplaced)

    def _track(self, write: Write) -> bool:
        held = next(held for held in write.holders if held.node_id == write.node_id)
        try:
            return self._manager.track_attachment(write.volume.volume_handle, held)
        except (HeldElsewhere, Incompatible):
            return False  # decided on a fresher view than this worker's index: the PV has the last word


@asynccontextmanager
async def _asked_once(question: Coroutine[Any, Any, A]) -> AsyncIterator[Callable[[], Awaitable[A]]]:
    """Ask a question, and yield a function that returns its answer to whoever calls it in the block."""
    answer = asyncio.create_task(question)
    try:
        yield lambda: asyncio.shield(answer)  # NB: who no longer waits takes the answer from nobody
    finally:
        answer.cancel()


def _renews(asked: ObserveInput, memory: VolumeRecord) -> bool:
    return asked.acquires is not None and memory.holder(asked.node_id) is not None


def _is_plain(record: VolumeRecord | None) -> bool:
    return record is not None and fence.is_plain(record)


def _asking() -> AskingRun:
    return AskingRun(_run_id(), activity.info().workflow_type or "")


def _outlasted() -> type[MooringError] | None:
    """Return the final answer that an unpublish takes for one of the moment, None for other operations.

    NB: an API server that has just started refuses with 403 whoever's rights it has not loaded yet, and nobody asks again for what
    an unpublish could not clear.
    """
    return KubernetesForbidden if _asking().workflow == names.UNPUBLISH else None


def _run_id() -> str:
    return activity.info().workflow_run_id or ""

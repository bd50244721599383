"""The steps of an operation: each an activity, bounded by the worker's limits, cancelled only once it has really stopped.

Contract: a step of the way forward is bounded by a budget. A step of a rollback has none: it is retried until it succeeds, and the
pending activity shows why it has not yet.

Not kept here: the order of the steps (workflows/publish.py, workflows/unpublish.py, workflows/persist.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception
from temporalio.workflow import ActivityConfig, ActivityHandle

with workflow.unsafe.imports_passed_through():
    from activities.attachments import AttachmentActivities
    from activities.backend import BackendActivities
    from activities.events import EventActivities
    from activities.migrations import MigrationActivities
    from activities.nodes import NodeActivities
    from activities.unpersisted import UnpersistedActivities
    from mooring.errors import NodeNotFound
    from mooring.models import (
        BackendCall,
        CheckNodeInput,
        NodeVerdict,
        ObserveInput,
        ObserveResult,
        OperationLimits,
        PersistInput,
        ReadInput,
        ReadResult,
        RunRef,
        UnpersistedRun,
        VolumeRecord,
        VolumeRef,
        WarnInput,
        Write,
        WriteResult,
    )
    from mooring.names import waiting_queue
    from mooring.records import fence
    from workflows.common.activity_options import patient
    from workflows.common.failures import cause, says

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

S = TypeVar("S", ReadResult, WriteResult)

LIVES = "look again where the run was reset"
"""The patch since which no call of the backend hangs on what a former self was shown."""
_WAIT = 86400.0
"""Seconds of one attempt to wait for a PV; there is no last one."""
_PV_LOOK = 60.0
"""Seconds that an attempt to wait for the end of a migration may take beside its look at the PV, and between two attempts."""


def was_reset() -> bool:
    """Return whether this run was reset from another, which may have left something under way.

    NB: a reset changes it for the replayed part, too, so only the end of a run may depend on it, as on its own id.
    """
    return workflow.info().run_id != workflow.info().original_execution_run_id


async def _observe(observe: ObserveInput) -> ObserveResult:
    return await workflow.execute_local_activity_method(
        AttachmentActivities.observe, observe, start_to_close_timeout=timedelta(seconds=10)
    )


@dataclass(slots=True)
class Steps:
    """The steps of one operation on one volume."""

    volume: VolumeRef
    limits: OperationLimits
    waiting: UnpersistedRun | None
    """The attachment that waited for a PV as the operation began. Its run may have ended; only this operation may begin another."""
    node: NodeVerdict = NodeVerdict.ADMITTED
    """The verdict on the node, from memory, when the operation began."""
    doubt: str = ""
    """The reason why the volume could be published to no node when the operation began, "" for none."""
    seen: VolumeRecord | None = None
    """The last record that was seen, for operators to be told on its PV."""
    stopped: BaseException | None = None
    """The cancellation that came before the first look, where there may be something to roll back."""
    _asked_in: int = field(init=False)
    """The life in which `waiting` was asked for."""
    _looked_in: int = field(init=False)
    """The life in which the PV was looked at last."""

    def __post_init__(self) -> None:
        self._asked_in = self._looked_in = self.life

    @classmethod
    async def begin(cls, asked: VolumeRef, node_id: str = "", *, rolls_back: bool = False) -> tuple[Steps, ReadResult]:
        """Take the first step of every operation: ask memory about the volume and the node that is to hold it, and fix the limits.

        One that `rolls_back` the remains of its former self looks even if it is cancelled.
        """
        volume = VolumeRef(driver=asked.driver, volume_handle=asked.volume_handle)
        observe = ObserveInput(driver=asked.driver, volume_handle=asked.volume_handle, node_id=node_id)
        cancelled: BaseException | None = None
        try:
            observed = await _observe(observe)
        except (ActivityError, asyncio.CancelledError) as error:  # NB: the latter where the cancellation came with the first task
            if not (rolls_back and was_reset() and is_cancelled_exception(error) and workflow.patched(LIVES)):
                raise cause(error) or error from None
            cancelled, observed = error, await _observe(observe)
        steps = cls(volume, observed.limits, observed.waiting, observed.node, observed.doubt, stopped=cancelled)
        return steps, steps._saw(ReadResult(record=observed.record))

    @property
    def operation(self) -> str:
        """The id that signs the writes of this run.

        NB: a reset gives a run another id. The replayed part must be decided as before, so only the end of a run may depend on its
        own id: `trusts`, `is_current`. Any other decision compares ids that the history holds.
        """
        return workflow.info().run_id

    @property
    def life(self) -> int:
        """A number that a reset changes where it happened.

        NB: a replay finds it as it was, so any decision may depend on whether the run was reset since another one.
        """
        return workflow.random_seed()

    @property
    def may_wait(self) -> bool:
        """True if an attachment may wait for the volume's PV: one did, or it is unknown."""
        return self.waiting is not None or self.is_waiting_unknown

    @property
    def is_waiting_unknown(self) -> bool:
        """True if the attachment that waits for the volume's PV has not been looked for since the run was reset.

        NB: the knowledge is valid for as long as the operation has the volume's lock, and a reset may follow after others had it.
        """
        return self._asked_in != self.life and workflow.patched(LIVES)

    @property
    def is_look_outlived(self) -> bool:
        """True if the run was reset since it looked at the PV."""
        return self._looked_in != self.life and workflow.patched(LIVES)

    def trusts(self, seen: ReadResult) -> bool:
        """Return whether the run may end on this look: it was at the PV, and by this very run."""
        return seen.by == self.operation

    def is_current(self, result: WriteResult) -> bool:
        """Return whether the write landed, and by this very run (`fence.is_current`)."""
        return result.landed and result.record is not None and fence.is_current(result.record, self.operation)

    async def look(self, budget: float | None = None) -> ReadResult:
        """Read the live record, within the budget: that of a publish unless given."""
        self._looked_in = self.life
        options = self._bounded("look at the PV", budget or self.limits.publish_budget)
        look = ReadInput(volume=self.volume, pvs=self._several())
        return self._saw(await workflow.execute_activity_method(AttachmentActivities.look, look, **options))

    async def look_patiently(self, budget: float | None = None) -> ReadResult:
        """Read the live record, whatever the errors meanwhile."""
        options = self._within(budget, "roll back: look at the PV")
        look = ReadInput(volume=self.volume, patient=True, pvs=self._several())
        return self._saw(await workflow.execute_activity_method(AttachmentActivities.look, look, **options))

    async def check_node(self, node_id: str, *, holds: bool) -> None:
        """Have the API server confirm that the node may hold the volume, or already `holds` it."""
        options = self._bounded(f"check node {node_id}", self.limits.publish_budget)
        asked = CheckNodeInput(volume=self.volume, node_id=node_id, holds=holds)
        await workflow.execute_activity_method(NodeActivities.check, asked, **options)

    async def node_is_there(self, node_id: str) -> bool:
        """Return whether the API server knows the node."""
        try:
            await self.check_node(node_id, holds=True)
        except ActivityError as error:
            if says(error, NodeNotFound):
                return False
            raise
        return True

    async def record(self, write: Write) -> WriteResult:
        """Try to make the node a holder."""
        self._looked_in = self.life
        options = self._bounded(f"record {write.node_id} as holder, epoch {write.epoch}", self.limits.publish_budget)
        return self._saw(await workflow.execute_activity_method(AttachmentActivities.record, write, **options))

    async def release(self, write: Write) -> WriteResult:
        """Try to take the node out of the record."""
        options = self._bounded(f"release {write.node_id or 'every node'}, epoch {write.epoch}", self.limits.clear_budget)
        return await workflow.execute_activity_method(AttachmentActivities.release, write, **options)

    async def persist(self, write: Write) -> WriteResult:
        """Record the holder that waited for its PV, however long it takes."""
        options = self._patient(f"record {write.node_id} as holder, epoch {write.epoch}", self.limits.attempt_timeout)
        return self._saw(await workflow.execute_activity_method(AttachmentActivities.persist, write, **options))

    async def take_back(
        self,
        node_id: str,
        leaves: Callable[[ReadResult], bool],
        first: Callable[[ReadResult], Awaitable[bool]],
        budget: float | None = None,
        mine: Callable[[], Collection[str]] = tuple,
    ) -> ReadResult:
        """Undo the writes of the operation, or of another run that is `mine`, however long it takes, and return the last look.

        With a `budget`, each step fails beyond it.

        `leaves` says whether the node keeps the volume; `first`, awaited before each try, whether there is a record to write to.
        """
        while True:
            seen = await self._look_before_undoing(budget)
            writable = await first(seen)
            write = None
            if writable and seen.record is not None:
                write = fence.undo(seen.record, self.volume, node_id, seen.by, renews=leaves(seen), mine=mine())
            if self.trusts(seen) if write is None else self.is_current(await self._undo(write, budget)):
                return seen

    async def _look_before_undoing(self, budget: float | None) -> ReadResult:
        """Read the live record, and again if the run was reset since and the record that its former self saw is gone.

        NB: the record's undo tests the record seen, the backend's doesn't.
        """
        life = self.life
        seen = await self.look_patiently(budget)
        if life == self.life or not workflow.patched(LIVES):
            return seen
        now = await self.look_patiently(budget)
        return seen if now.record == seen.record else now

    async def find_waiting(self) -> UnpersistedRun | None:
        """Return the attachment that waits for the volume's PV now, if any.

        NB: while it is another node's, the record must not be written: an epoch on it would say that no node holds the volume.
        """
        self._asked_in = self.life
        options = self._patient("look for an unpersisted holder", self.limits.attempt_timeout)
        return await workflow.execute_activity_method(UnpersistedActivities.find, self.volume, **options)

    async def backend_publish(self, call: BackendCall) -> dict[str, str]:
        """Have the backend attach."""
        options = self._backend(f"backend attaches to {call.node_id}")
        return await workflow.execute_activity_method(BackendActivities.publish, call, **options)

    async def backend_unpublish(self, call: BackendCall) -> None:
        """Have the backend detach."""
        options = self._backend(f"backend detaches from {call.node_id or 'every node'}")
        await workflow.execute_activity_method(BackendActivities.unpublish, call, **options)

    async def backend_undo(self, call: BackendCall) -> None:
        """Have the backend detach, however long it takes."""
        options = self._patient(f"roll back: backend detaches from {call.node_id}", self.limits.backend_timeout)
        await workflow.execute_activity_method(BackendActivities.undo, call, **options)

    async def drop_waiting(self, run_id: str) -> None:
        """End the wait for this volume's PV, however long it takes."""
        options = self._patient("give up the unpersisted holder", self.limits.attempt_timeout)
        await workflow.execute_activity_method(UnpersistedActivities.drop, RunRef(volume=self.volume, run_id=run_id), **options)

    async def outwait(self, run_id: str) -> None:
        """Wait until a run that was asked to give up the wait for this volume's PV has done so, or goes on in another."""
        options = self._patient("wait for the end of the unpersisted holder", self.limits.attempt_timeout)
        await workflow.execute_activity_method(UnpersistedActivities.outwait, RunRef(volume=self.volume, run_id=run_id), **options)

    async def is_open(self, operation: str) -> bool:
        """Return whether that operation on the volume is open."""
        options = self._patient("look at the operation that asks for the end", self.limits.attempt_timeout)
        run = RunRef(volume=self.volume, run_id=operation)
        return await workflow.execute_activity_method(UnpersistedActivities.ends_for, run, **options)

    async def has_begun(self, run_id: str) -> bool:
        """Return whether this is the run of a hold that this very operation has begun."""
        options = self._patient("look at the run that wrote the record", self.limits.attempt_timeout)
        run = RunRef(volume=self.volume, run_id=run_id)
        return await workflow.execute_activity_method(UnpersistedActivities.has_begun, run, **options)

    async def publisher_lives(self, operation: str) -> bool:
        """Return whether that publish is open, or has succeeded."""
        options = self._patient("look at the publish that began this", self.limits.attempt_timeout)
        publish = RunRef(volume=self.volume, run_id=operation)
        return await workflow.execute_activity_method(UnpersistedActivities.publisher_lives, publish, **options)

    async def wait_for_volume(self, waiting: PersistInput) -> VolumeRecord:
        """Wait until the volume has a PV, and return its record."""
        options = self._patient(f"wait for a PV to record {waiting.attachment.node_id} on", _WAIT)
        return await workflow.execute_activity_method(UnpersistedActivities.wait, waiting, **options)

    def wait_for_migration(self) -> ActivityHandle[VolumeRecord | None]:
        """Begin to wait for the record once at most one node holds the volume, however long it takes."""
        options = self._patient("wait until one node holds the volume", _PV_LOOK + self.limits.attempt_timeout)
        options["retry_policy"] = RetryPolicy(maximum_interval=timedelta(seconds=_PV_LOOK))
        options["task_queue"] = waiting_queue(workflow.info().task_queue)
        return workflow.start_activity_method(MigrationActivities.wait, self.volume, **options)

    async def warn_not_cleared(self, warned: WarnInput) -> None:
        """Warn an operator of a record that could not be cleared; best effort."""
        options = self._bounded("raise an Event", self.limits.clear_budget)
        options["retry_policy"] = RetryPolicy(maximum_attempts=3)
        with suppress(ActivityError):
            await workflow.execute_activity_method(EventActivities.not_cleared, warned, **options)

    async def _undo(self, write: Write, budget: float | None) -> WriteResult:
        options = self._within(budget, f"roll back: {write.node_id} out, epoch {write.epoch}")
        return await workflow.execute_activity_method(AttachmentActivities.undo, write, **options)

    def _several(self) -> tuple[str, ...]:
        """Return the PVs that the run has seen, if they are several: the worker that looks next may not know each."""
        marks = self.seen.marks if self.seen else ()
        return tuple(mark.pv for mark in marks) if len(marks) > 1 else ()

    def _saw(self, found: S) -> S:
        self.seen = found.record or self.seen
        return found

    def _backend(self, summary: str) -> ActivityConfig:
        return {
            **self._patient(summary, self.limits.backend_timeout),
            "schedule_to_close_timeout": timedelta(seconds=self.limits.backend_budget),
        }

    def _bounded(self, summary: str, budget: float) -> ActivityConfig:
        return {
            **self._patient(summary, self.limits.attempt_timeout),
            "schedule_to_close_timeout": timedelta(seconds=budget),
        }

    def _within(self, budget: float | None, summary: str) -> ActivityConfig:
        if budget is None:
            return self._patient(summary, self.limits.attempt_timeout)
        return self._bounded(summary, budget)

    def _patient(self, summary: str, attempt: float) -> ActivityConfig:
        return patient(self.limits, summary, attempt)

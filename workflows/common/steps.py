"""The steps of an operation: each an activity, bounded by the worker's limits, cancelled only once it has really stopped.

Contract: a step of the way forward is bounded by a budget. A step of a rollback has none: it is retried until it succeeds, and the
pending activity shows why it has not yet.

Not kept here: the steps about waits (waits.py), and the order of the steps (undo.py, workflows/).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception
from temporalio.workflow import ActivityConfig

with workflow.unsafe.imports_passed_through():
    from activities.attachments import AttachmentActivities
    from activities.backend import BackendActivities
    from activities.events import EventActivities
    from activities.nodes import NodeActivities
    from mooring.errors import NodeNotFound
    from mooring.models import (
        BackendCall,
        CheckNodeInput,
        FirstWrite,
        NodeVerdict,
        ObserveInput,
        ObserveResult,
        OperationLimits,
        PublishRequest,
        ReadInput,
        ReadResult,
        UnpersistedRun,
        VolumeRecord,
        VolumeRef,
        WarnInput,
        Write,
        WriteResult,
    )
    from mooring.records import fence
    from workflows.common.activity_options import patient
    from workflows.common.details import RunDetails
    from workflows.common.failures import cause, says
    from workflows.common.first_task import FirstTask, is_first_try, refusal_of
    from workflows.common.lives import LIVES, Lives, this_life, was_reset
    from workflows.common.waits import WaitSteps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

A = TypeVar("A")
Q = TypeVar("Q")
S = TypeVar("S", ReadResult, WriteResult)


async def _observe(observe: ObserveInput) -> ObserveResult:
    return await workflow.execute_local_activity_method(
        AttachmentActivities.observe, observe, start_to_close_timeout=timedelta(seconds=10)
    )


def _may_have_written(first: FirstTask) -> bool:
    """Return whether the run may have written before it began."""
    return (was_reset() and workflow.patched(LIVES)) or first.forgets


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
    made: FirstWrite | None = None
    """The write that was made with the first step, until the run takes it up (`finish`)."""
    seen: VolumeRecord | None = None
    """The last record that was seen, for operators to be told on its PV."""
    highest: int = 0
    """The highest epoch that the run has known of the volume."""
    holder: str = ""
    """The node whose hold this run is, once that ends; "" for an operation."""
    asker: str = ""
    """The operation that ends the hold, and waits for that."""
    lives: Lives = field(default_factory=Lives)
    first: FirstTask = field(default_factory=FirstTask)
    details: RunDetails = field(init=False)
    """The details of the run, which name each step, an undisturbed operation's first writes apart."""
    waits: WaitSteps = field(init=False)
    """The steps about waits."""

    def __post_init__(self) -> None:
        self.details = RunDetails(self.volume.volume_handle)
        self.waits = WaitSteps(self.volume, self.limits, self.details)

    @classmethod
    async def begin(
        cls,
        asked: VolumeRef,
        *,
        acquires: PublishRequest | None = None,
        releases: str | None = None,
        at_epoch: int | None = None,
        rolls_back: bool = False,
    ) -> tuple[Steps, ReadResult]:
        """Take the first step of every operation: ask memory about the volume and the node that is to hold it, and fix the limits.

        If nothing is in the way of one that `acquires` or `releases`, the latter at no other epoch than `at_epoch` if there is
        one, its write is made with that. One that `rolls_back` the remains of its former self, or of its first task, looks even if
        it is cancelled.
        """
        volume = VolumeRef(driver=asked.driver, volume_handle=asked.volume_handle)
        node = acquires.node_id if acquires else ""
        observe = ObserveInput(**dict(volume), node_id=node, acquires=acquires, releases=releases, at_epoch=at_epoch)
        cancelled: BaseException | None = None
        try:
            observed = await _observe(observe if is_first_try() else observe.without_write)
        except (ActivityError, asyncio.CancelledError) as error:  # NB: the latter where the cancellation came with the first task
            if not (rolls_back and is_cancelled_exception(error) and _may_have_written(FirstTask(writes=observe.at_once))):
                raise cause(error) or error from None
            cancelled, observed = error, await _observe(observe.without_write)
        first = FirstTask(writes=observe.at_once, undisturbed=observed.undisturbed, attempted=observed.attempted)
        lives = Lives(stopped=cancelled)
        steps = cls(volume, observed.limits, observed.waiting, observed.node, observed.doubt, lives=lives, first=first)
        steps.made = observed.made
        return steps, steps._saw(ReadResult(record=observed.record))

    async def finish(self, step: Callable[[Write], Awaitable[WriteResult]]) -> WriteResult | None:
        """Return the result of the write that was made with the first step, or None if there is none that the run can rely on.

        What was not done at once is repeated by this visible step; a final refusal is raised as that step's failure.
        """
        made, self.made = self.made, None
        if made is None or self.first.forgets:
            return None
        if made.refusal is not None:
            raise refusal_of(made.refusal, step.__name__)
        if made.hangs is not None:
            self.first.hangs = True
            return await step(made.hangs)
        return made.result and self._saw(made.result)

    @property
    def operation(self) -> str:
        """The id that signs the writes of this run.

        NB: a reset gives a run another id. The replayed part must be decided as before, so only the end of a run may depend on its
        own id: `trusts`, `is_current`. Any other decision compares ids that the history holds.
        """
        return workflow.info().run_id

    @property
    def may_wait(self) -> bool:
        """True if an attachment may wait for the volume's PV: one did, or it is unknown."""
        return self.waiting is not None or self.is_waiting_unknown

    @property
    def is_waiting_unknown(self) -> bool:
        """True if the attachment that waits for the volume's PV has not been looked for since the run was reset.

        NB: the knowledge is valid for as long as the operation has the volume's lock, and a reset may follow after others had it.
        """
        return self.lives.asked_in != this_life() and workflow.patched(LIVES)

    @property
    def is_look_outlived(self) -> bool:
        """True if the run was reset since it looked at the PV."""
        return self.lives.looked_in != this_life() and workflow.patched(LIVES)

    def trusts(self, seen: ReadResult) -> bool:
        """Return whether the run may end on this look: it was at the PV, and by this very run."""
        return seen.by == self.operation

    def is_current(self, result: WriteResult) -> bool:
        """Return whether the write landed, and by this very run (`fence.is_current`)."""
        return result.landed and result.record is not None and fence.is_current(result.record, self.operation)

    async def look(self, budget: float | None = None) -> ReadResult:
        """Read the live record, within the budget: that of a publish unless given."""
        self.lives.looked_in = this_life()
        options = self._bounded("look at the PV", budget or self.limits.publish_budget)
        look = ReadInput(volume=self.volume, pvs=self._several())
        return self._saw(await self._visibly(AttachmentActivities.look, look, options))

    async def look_patiently(self, budget: float | None = None) -> ReadResult:
        """Read the live record, whatever the errors meanwhile."""
        options = self._within(budget, "roll back: look at the PV")
        look = ReadInput(volume=self.volume, patient=True, pvs=self._several(), holder=self.holder, asker=self.asker)
        return self._saw(await self._visibly(AttachmentActivities.look, look, options))

    async def check_node(self, node_id: str, *, holds: bool) -> None:
        """Have the API server confirm that the node may hold the volume, or already `holds` it."""
        options = self._bounded(f"check node {node_id}", self.limits.publish_budget)
        asked = CheckNodeInput(volume=self.volume, node_id=node_id, holds=holds)
        await self._visibly(NodeActivities.check, asked, options)

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
        self.lives.looked_in = this_life()
        options = self._bounded(f"record {write.node_id} as holder, epoch {write.epoch}", self.limits.publish_budget)
        return self._saw(await self._visibly(AttachmentActivities.record, write, options))

    async def record_at_once(self, write: Write) -> WriteResult | None:
        """Try to make the node a holder, or return None if that isn't done at once."""
        self.lives.looked_in = this_life()
        result = await self.first.make(AttachmentActivities.record, write)
        return result and self._saw(result)

    async def release_at_once(self, write: Write) -> WriteResult | None:
        """Try to take the node out of the record, or return None if that isn't done at once."""
        result = await self.first.make(AttachmentActivities.release, write)
        return result and self._saw(result)

    async def release(self, write: Write) -> WriteResult:
        """Try to take the node out of the record."""
        options = self._bounded(f"release {write.node_id or 'every node'}, epoch {write.epoch}", self.limits.clear_budget)
        return self._saw(await self._visibly(AttachmentActivities.release, write, options))

    async def persist(self, write: Write) -> WriteResult:
        """Record the holder that waited for its PV, however long it takes."""
        options = self._patient(f"record {write.node_id} as holder, epoch {write.epoch}", self.limits.attempt_timeout)
        return self._saw(await self._visibly(AttachmentActivities.persist, write, options))

    async def undo(self, write: Write, budget: float | None = None) -> WriteResult:
        """Try to undo a write of the operation, however long it takes or within the budget."""
        options = self._within(budget, f"roll back: {write.node_id} out, epoch {write.epoch}")
        return self._saw(await self._visibly(AttachmentActivities.undo, write, options))

    async def find_waiting(self) -> UnpersistedRun | None:
        """Return the attachment that waits for the volume's PV now, if any.

        NB: while it is another node's, the record must not be written: an epoch on it would say that no node holds the volume.
        """
        self.lives.asked_in = this_life()
        return await self.waits.find_hold()

    async def backend_publish(self, call: BackendCall) -> dict[str, str]:
        """Have the backend attach."""
        options = self._backend(f"backend attaches to {call.node_id}")
        return await self._visibly(BackendActivities.publish, call, options)

    async def backend_unpublish(self, call: BackendCall) -> None:
        """Have the backend detach."""
        options = self._backend(f"backend detaches from {call.node_id or 'every node'}")
        await self._visibly(BackendActivities.unpublish, call, options)

    async def backend_undo(self, call: BackendCall) -> None:
        """Have the backend detach, however long it takes."""
        options = self._patient(f"roll back: backend detaches from {call.node_id}", self.limits.backend_timeout)
        await self._visibly(BackendActivities.undo, call, options)

    async def warn_not_cleared(self, warned: WarnInput) -> None:
        """Warn an operator of a record that could not be cleared; best effort."""
        options = self._bounded("raise an Event", self.limits.clear_budget)
        options["retry_policy"] = RetryPolicy(maximum_attempts=3)
        with suppress(ActivityError):
            await self._visibly(EventActivities.not_cleared, warned, options)

    async def _visibly(self, step: Callable[[Any, Q], Awaitable[A]], asked: Q, options: ActivityConfig) -> A:
        """Take a step that everybody sees, beyond the first task."""
        self.first.leave()
        return await self.details.take(step, asked, options)

    def _several(self) -> tuple[str, ...]:
        """Return the PVs that the run has seen, if they are several: the worker that looks next may not know each."""
        marks = self.seen.marks if self.seen else ()
        return tuple(mark.pv for mark in marks) if len(marks) > 1 else ()

    def _saw(self, found: S) -> S:
        """Note what was found, and return it with the highest epoch that the run has known.

        NB: what the run itself wrote on a PV that was made anew since, no worker may know any more but by this run, which is open.
        """
        self.seen = found.record or self.seen
        self.highest = max([self.highest, *(known.token_epoch for known in (found.record, found.departed) if known)])
        return found.model_copy(update={"record": self._above(found.record), "departed": self._above(found.departed)})

    def _above(self, known: VolumeRecord | None) -> VolumeRecord | None:
        if known is None or known.token_epoch >= self.highest:
            return known
        return known.model_copy(update={"floor": self.highest})

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

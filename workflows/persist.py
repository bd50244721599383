"""PersistAttachment: hold a volume that has no PV yet, and record it as soon as there is one.

Contract: at most one such run is open for a volume, and while it is, the volume is held by the node in its memo. It ends when
the record is written, or when it is cancelled, having undone its possible writes; never because of an obstacle. It holds for one
node: a second one has to wait for the PV.

It writes only once its publish has settled (signal `settle`), so that nothing that a rollback has to undo is written behind its
back. One whose publish was rolled back before it started ends at once.

Not kept here: finding and ending the run (activities/unpersisted.py), and its use by a publish (workflows/publication/hold.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from mooring import names
    from mooring.events.reasons import Reason
    from mooring.models import Attachment, PersistInput, PublishRequest, ReadResult, VolumeRecord, WriteResult
    from mooring.process.backoff import pauses
    from mooring.records import fence, holds
    from mooring.states import State
    from workflows.common.acquisition import heeding_history
    from workflows.common.cancellation import stop_if_cancelled, to_the_end
    from workflows.common.failures import STOPPED, ended, failed_step, reason, stopped
    from workflows.common.lives import this_life
    from workflows.common.report import Report
    from workflows.common.steps import Steps
    from workflows.common.undo import take_back

_PAUSE = 10.0
_LONGEST_PAUSE = 3600.0
"""Seconds between two looks at a PV that another holder is on.

NB: a version before this one looks so; the wait for the PV is one for its release as well by now.
"""

_ASKS_WHO = "asks who wants it to end"
"""The patch since which a run ends for no operation that is over."""
_ASKS_AGAIN = "asks for its publish again where it was reset"
"""The patch since which a run that waits for the word of its publish, and is reset, asks whether that is still to come."""


@workflow.defn(name=names.PERSIST)
class PersistAttachment:
    """The workflow with the id `unpersisted/<driver>/<volume handle>`, a child that outlives its publish; returns a message."""

    @workflow.init
    def __init__(self, waiting: PersistInput) -> None:
        self._waiting = waiting
        self._steps: Steps
        self._settled = waiting.settled
        self._renews = waiting.stays
        self._signed = dict.fromkeys((waiting.operation, *waiting.signed), workflow.random_seed())
        """The ids that what this run has written may bear, and its life then: a version before this one signed as its publish."""
        self._wrote = bool(waiting.signed)
        self._asked_in = workflow.random_seed()
        """The life in which this run asked for its publish."""

    @workflow.signal
    def settle(self, attachment: Attachment) -> None:
        """Settle the publish, which has succeeded: write this once there is a PV."""
        if attachment.node_id == self._waiting.attachment.node_id:
            self._settled = attachment
            workflow.upsert_memo({names.ATTACHMENT_MEMO: attachment})

    @workflow.run
    async def run(self, waiting: PersistInput) -> str:
        """Hold, then record; see the module."""
        await self._begin(waiting)
        self._report.show(State.WAITING_FOR_PV)
        try:
            answer = await self._hold()
        except STOPPED as error:
            why = stopped(error)
            await self._go_on_if_asked_by_the_dead()
            raise await self._ended(why) from failed_step(error)
        return answer

    async def _begin(self, waiting: PersistInput) -> None:
        try:
            self._steps, _ = await Steps.begin(waiting.volume)
        except STOPPED as error:
            if not (_asker() or self._wrote):
                raise
            self._steps, _ = await Steps.begin(waiting.volume)
            await self._go_on_if_asked_by_the_dead()
            if not self._wrote:
                raise
            why = stopped(error)
            raise await self._ended(why) from failed_step(error)

    async def _go_on_if_asked_by_the_dead(self) -> None:
        """Hold on in a new run if the operation that asked for the end is over.

        NB: it has reported no success, and its request may arrive after another publish has relied on this run.
        """
        asker = _asker()
        if not asker or not workflow.patched(_ASKS_WHO) or await self._steps.waits.is_open(asker):
            return
        # NB: an attempt of this run may have landed whose answer it has not got.
        signed = tuple(sorted({*self._mine, self._steps.operation})) if self._wrote else ()
        ahead = {"settled": self._settled, "signed": signed, "stays": self._renews}
        workflow.continue_as_new(self._waiting.model_copy(update=ahead), memo=dict(workflow.memo()))

    async def _hold(self) -> str:
        if not (await self._is_needed() and await self._publish_settled()):
            self._report.show(State.DETACHED)
            return f"{self._what()} is not needed: its publish has not succeeded, or it had ended before it was reset."
        waits = pauses(_PAUSE, _LONGEST_PAUSE, lambda: 1.0)  # one run a volume: there is nobody to fall into step with
        while True:
            attachment = self._settled or self._waiting.attachment
            seen = await self._steps.waits.for_volume(self._waiting.model_copy(update={"attachment": attachment}))
            stop_if_cancelled()
            decision = self._decide(seen, attachment)
            if isinstance(decision, fence.Refuse):
                # NB: to end here would forget an attachment that was answered.
                await self._pause(next(waits), str(decision.error))
                continue
            result = await self._record(decision, seen)
            if result.landed and result.record is not None:
                self._report.show(State.ATTACHED)
                volume, node = self._waiting.volume.volume_handle, attachment.node_id
                self._report.event(Reason.ATTACHED, f"Volume {volume} is attached to node {node}, and recorded now.")
                return f"{self._what()} is done at epoch {result.record.epoch}."

    async def _pause(self, seconds: float, obstacle: str) -> None:
        self._report.explain(State.WAITING_FOR_PV, obstacle)
        with self._steps.details.step("pause before another look at the PV"):
            await workflow.sleep(seconds, summary=names.summary(obstacle))
        self._report.explain(State.WAITING_FOR_PV)

    async def _record(self, decision: fence.Acquire, seen: VolumeRecord) -> WriteResult:
        self._renews, self._wrote = fence.stays(decision, seen, *self._mine, stayed=self._renews), True
        result = await self._steps.persist(decision.write)
        if result.by:
            self._signed[result.by] = this_life()
        return result

    async def _is_needed(self) -> bool:
        self._asked_in = this_life()
        lives = await self._steps.waits.publisher_lives(self._waiting.operation)
        if not holds.is_needed(settled=self._settled is not None, publisher_lives=lives):
            return False
        stop_if_cancelled()
        return True

    async def _publish_settled(self) -> bool:
        """Wait for the word of the publish, and return whether it is there: after a reset it may never arrive."""
        while self._settled is None:
            self._report.explain(State.WAITING_FOR_PV, self._unsettled())
            with self._steps.details.step("the word of its publish"):
                await workflow.wait_condition(lambda: self._settled is not None or this_life() != self._asked_in)
            self._report.explain(State.WAITING_FOR_PV)
            if self._settled is None and not workflow.patched(_ASKS_AGAIN):
                self._asked_in = this_life()
            elif self._settled is None and not await self._is_needed():
                return False
        return True

    async def _ended(self, error: BaseException) -> FailureError:
        left = ""
        self._report.explain(
            State.WAITING_FOR_PV, f"This run ends, and takes back what it may have written. The cause: {reason(error)}"
        )
        with suppress(asyncio.CancelledError):
            left = await to_the_end(self._take_back())
        self._report.show(State.NOT_CLEARED if left else State.DETACHED)
        return ended(error, f"{self._what()} ended; it holds the volume no longer{left}")

    async def _take_back(self) -> str:
        """Undo possible writes, and describe what may remain of them if that can't be done within the budget, else return ""."""
        if not self._wrote:
            return ""
        node, budget = self._waiting.attachment.node_id, self._steps.limits.clear_budget
        self._steps.holder, self._steps.asker = node, _asker()
        try:
            await take_back(self._steps, node, lambda _: self._renews, _always, budget, lambda: self._mine)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            return f", but its record may still be written; unpublish the volume once the cause is corrected. {reason(error)}"
        return ""

    @property
    def _mine(self) -> list[str]:
        """The ids that sign this run's writes; none of a former self, which may have ended with the node recorded for good."""
        return [run for run, life in self._signed.items() if life == this_life()]

    @property
    def _report(self) -> Report:
        return Report("persist", self._steps, self._waiting.attachment.node_id)

    def _decide(self, seen: VolumeRecord, held: Attachment) -> fence.Acquire | fence.Refuse:
        asked = PublishRequest.of(self._waiting.volume, held)
        decision = fence.acquire(seen, asked, self._steps.operation, held.attached_at, held.publish_context)
        return heeding_history(decision, seen, asked)

    def _unsettled(self) -> str:
        run = f"run `{self._waiting.operation}` of `{names.volume_id(self._waiting.volume)}`"
        return (
            f"The publish that began this, {run}, has not reported success yet. If that run has ended, or can't be found, publish "
            f"the volume to node {self._waiting.attachment.node_id} again, or unpublish it."
        )

    def _what(self) -> str:
        return f"Recording node {self._waiting.attachment.node_id} as holder of volume {self._waiting.volume.volume_handle}"


def _asker() -> str:
    """Return the operation that has asked the run to end, or "" if none has."""
    return names.asker(workflow.cancellation_reason() or "")


async def _always(_: ReadResult) -> bool:
    """Return True: this run has no backend to undo, its publish has; and it may write to any record without an epoch."""
    return True

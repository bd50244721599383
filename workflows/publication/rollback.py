"""The rollback of a publish, in reverse: the backend, then the hold or the record.

Contract: it is retried until nothing of the publish is left, and the epoch has moved. A node that held the volume before the
publish keeps it.

Not kept here: whether a publish that fails has left anything (workflows/publish.py).
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from mooring import names
    from mooring.models import PublishRequest, ReadResult
    from mooring.records import fence
    from workflows.common.acquisition import RecordAcquisition
    from workflows.common.steps import Steps
    from workflows.common.undo import take_back
    from workflows.publication.attach import BackendAttach
    from workflows.publication.hold import RECOVERS, UnpersistedHold

_ROLLS_BACK_BESIDE_HOLDS = "rolls back beside holds"
"""The patch since which a rollback detaches before its hold ends, and moves the epoch beside another's."""
_KEEPS_DEPARTED = "keeps what it held when the PV went"
"""The patch since which a rollback leaves a node that held the volume when its PV went."""
_AS_ONE_RUN = "rolls the backend back as the record"
"""The patch since which a rollback that was reset detaches as the run as which it writes the record, be it its former self."""
_SAYS_LET_GO = "says what it took back without a PV"
"""The patch since which a rollback whose PV went says so in its memo."""


class PublishRollback:
    """The rollback of one publish."""

    def __init__(
        self, steps: Steps, asked: PublishRequest, hold: UnpersistedHold, acquisition: RecordAcquisition, attach: BackendAttach
    ) -> None:
        self._steps = steps
        self._asked = asked
        self._hold = hold
        self._acquisition = acquisition
        self._attach = attach
        self._had_departed = False
        """True if the node was a holder, by another operation, when there was no PV to show it."""

    def note_departed(self, seen: ReadResult) -> None:
        """Note whether the node was a holder, by another operation, as a look without a PV has it."""
        self._had_departed = self._had_departed or self._is_departed(seen)

    async def roll_back(self) -> None:
        """Undo all that the publish may have done."""
        await self._hold.learn_anew()
        await self._hold.recover()
        if self._hold.started is not None and workflow.patched(_ROLLS_BACK_BESIDE_HOLDS):
            await self._undo_hold()
        await self._hold.drop()
        seen = await take_back(self._steps, self._asked.node_id, self._leaves, self._before_undo, mine=lambda: self._hold.mine)
        if self._took_back_without_pv(seen) and workflow.patched(_SAYS_LET_GO):
            workflow.upsert_memo({names.LET_GO_MEMO: self._asked.node_id})

    def _took_back_without_pv(self, seen: ReadResult) -> bool:
        """Return whether the node was acquired on a PV that is gone, whose last cached record by some worker may still name it."""
        acquired = self._acquisition.may_land or self._steps.first.forgets
        return seen.record is None and acquired and not self._leaves(seen) and not self._is_departed(seen)

    async def _undo_hold(self) -> None:
        """Have the backend detach before the hold ends, as before the record does."""
        await self._hold.leave_former()
        if self._hold.started is None or not self._attach.begun or self._acquisition.renews or self._keeps_departed():
            return
        if workflow.patched(RECOVERS) and not await self._may_detach():
            return
        await self._attach.undo()

    async def _may_detach(self) -> bool:
        """Return whether the node doesn't hold the volume by another operation, on a PV that has appeared meanwhile."""
        seen = await self._steps.look_patiently()
        await self._hold.learn_writers(seen)
        return not (self._is_anothers(seen) or self._leaves(seen))

    def _leaves(self, seen: ReadResult) -> bool:
        named = is_named(seen, self._asked.node_id)
        return self._hold.kept or self._acquisition.stays(seen) or (named and self._keeps_departed())

    def _keeps_departed(self) -> bool:
        return self._had_departed and workflow.patched(_KEEPS_DEPARTED)

    def _is_departed(self, seen: ReadResult) -> bool:
        mine = {seen.by, *self._hold.mine}
        named = is_named(seen, self._asked.node_id)
        return named and seen.departed is not None and seen.departed.operation not in mine

    async def _before_undo(self, seen: ReadResult) -> bool:
        """Have the backend detach, and return whether there is a record to write to."""
        if self._steps.is_waiting_unknown:
            await self._hold.others_wait()
            # NB: what waited until a moment ago may have become the record.
            seen = _as_one_run(seen, await self._steps.look_patiently())
        await self._hold.learn_writers(seen)
        if self._attach.begun and not self._is_anothers(seen) and not self._leaves(seen):
            await self._attach.undo(seen.record.epoch if seen.record else 0)
        if self._steps.waiting is not None and not workflow.patched(_ROLLS_BACK_BESIDE_HOLDS):
            return seen.record is not None and not await self._hold.others_wait()
        return seen.record is not None

    def _is_anothers(self, seen: ReadResult) -> bool:
        """Return whether another operation has made the node a holder, and neither this one nor its hold."""
        held = seen.record is not None and seen.record.holder(self._asked.node_id) is not None
        return held and seen.record is not None and not fence.holds_by(seen.record, self._asked.node_id, seen.by, *self._hold.mine)


def _as_one_run(before: ReadResult, now: ReadResult) -> ReadResult:
    """Return the look of now as one of the run that looked before, which may be a former self, and as which the record is written.

    NB: to a run that was reset, the acquisition of its former self stays, and the node attached.
    """
    return now.model_copy(update={"by": before.by}) if workflow.patched(_AS_ONE_RUN) else now


def is_named(seen: ReadResult, node_id: str) -> bool:
    """Return whether the record names the node, or without a PV the last known one."""
    known = seen.record or seen.departed
    return known is not None and known.holder(node_id) is not None

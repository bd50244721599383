"""A run's acquisition on the record: made, and remembered for the rollback.

Contract: an acquisition may still land until its step has said otherwise; only a final answer to the very first attempt says so for
sure.

Not kept here: the decision on an acquisition (mooring/records/fence.py), and its withdrawal (undo.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from mooring.models import PublishRequest, ReadResult, VolumeRecord, Write, WriteResult
    from mooring.records import fence, refusals
    from workflows.common.cancellation import stop_if_cancelled
    from workflows.common.failures import STOPPED, is_final_at_once
    from workflows.common.lives import LIVES, this_life

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

    from workflows.common.steps import Steps

A = TypeVar("A")

_MODES = "a node keeps a volume in a mode that agrees"
"""The patch since which modes that agree are not told apart."""

_WENT = "may have claimed a PV that went"
"""The patch since which an acquisition whose PV went is taken for one that may have landed."""


def heeding_history(
    decision: fence.Acquire | fence.Refuse, seen: VolumeRecord, asked: PublishRequest
) -> fence.Acquire | fence.Refuse:
    """Return the decision, or that of a version which distinguished modes that agree, if the history is of one."""
    changes = refusals.mode_changes(seen, asked) if isinstance(decision, fence.Acquire) else None
    return decision if changes is None or workflow.patched(_MODES) else fence.Refuse(changes)


class RecordAcquisition:
    """The maker of one run's acquisitions; `renews`, `may_land` and `stays` are about the last one."""

    def __init__(self, steps: Steps) -> None:
        self.renews = False
        self.may_land = False
        self._written_by = ""
        self._in_part = False
        self._life = this_life()
        self._steps = steps

    async def make(
        self, acquire: fence.Acquire, seen: ReadResult, mine: Collection[str] = (), *, at_once: bool = False
    ) -> WriteResult:
        """Try to write the acquisition, as decided on the record seen; a record by a run that is `mine` is the run's own.

        It is tried `at_once` if the first workflow task may make it, and visibly if that isn't done.
        """
        stop_if_cancelled()
        if seen.record is None:
            raise AssertionError("an acquisition is decided on a record")
        # NB: the acquisition before may have landed and said nothing of it, on a PV that went.
        self.renews = fence.stays(acquire, seen.record, seen.by, *mine, stayed=self.stays(seen))
        self._written_by, self.may_land, self._life = "", True, this_life()
        result = await self._outcome(self._write(acquire.write, at_once=at_once))
        self._learn(result, acquire.write)
        return result

    async def finish(self) -> WriteResult | None:
        """Finish the acquisition that was made with the first step, on a free record of one PV, and return its result, if any."""
        self.may_land = self._steps.made is not None
        stop_if_cancelled()
        result = await self._outcome(self._steps.finish(self._steps.record))
        self.may_land = False
        if result is not None:
            self._learn(result)
        return result

    async def _outcome(self, write: Awaitable[A]) -> A:
        """Await a write that may land from now on, and note whether it still may if it fails."""
        try:
            return await write
        except STOPPED as error:
            self.may_land = self._in_part or self._steps.first.hangs or not is_final_at_once(error)
            raise

    async def _write(self, write: Write, *, at_once: bool) -> WriteResult:
        result = await self._steps.record_at_once(write) if at_once else None
        return result or await self._steps.record(write)

    def _learn(self, result: WriteResult, write: Write | None = None) -> None:
        # NB: refused on one of several PVs, it stands on those before, and an attempt that got past that one may land on the rest.
        self._in_part = self._in_part or (not result.landed and write is not None and bool(write.others))
        # NB: an attempt before may have landed and said nothing of it, on a PV that went.
        went = not result.landed and result.record is None and workflow.patched(_WENT)
        self.may_land = result.landed or self._in_part or went
        if went and write is not None and result.departed is not None and result.departed.holder(write.node_id) is None:
            self.renews = False  # NB: the node had let go before the PV went, so this acquisition was on nothing that it held
        if result.landed and result.record is not None:
            self._written_by = result.record.operation

    @property
    def outlived(self) -> bool:
        """True if the run was reset since it decided on the acquisition, which its former self may have rolled back."""
        return self._life != this_life() and workflow.patched(LIVES)

    def stays(self, seen: ReadResult) -> bool:
        """Return whether the node keeps the volume: it held it before, or by an acquisition of the run that this one was reset
        from.

        That run may have reported success.
        """
        return self.renews or self._written_by not in ("", seen.by)

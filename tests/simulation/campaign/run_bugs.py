"""Faults of one line each in the workflows, and in those who begin them (bugs.py)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from temporalio.exceptions import ActivityError

from activities import unpersisted
from activities.evacuation import EvacuationActivities
from mooring.models import UnpublishRequest, VolumeRecord, Write, WriteResult
from mooring.reconciliation.healer import Healer
from mooring.records import fence, holds
from workflows.common.acquisition import RecordAcquisition
from workflows.common.steps import Steps
from workflows.evacuation.proof import Proof
from workflows.persist import PersistAttachment
from workflows.publication.attach import BackendAttach
from workflows.publication.detach import BackendDetach
from workflows.publication.hold import UnpersistedHold
from workflows.publication.rollback import PublishRollback
from workflows.unpublish import UnpublishVolume

Bug = Callable[[pytest.MonkeyPatch], None]


def renewals_are_not_written(patch: pytest.MonkeyPatch) -> None:
    """Take the record that a publish reads for its own where it names the node."""
    make = RecordAcquisition.make

    async def trusting(self: RecordAcquisition, acquire: fence.Acquire, seen: Any, *given: Any, **more: Any) -> WriteResult:
        if not acquire.renews:
            return await make(self, acquire, seen, *given, **more)
        signed = seen.record.model_copy(update={"operation": acquire.write.operation})
        return WriteResult(landed=True, record=signed, by=acquire.write.operation)

    patch.setattr(RecordAcquisition, "make", trusting)


def an_unpublish_of_nothing_moves_no_epoch(patch: pytest.MonkeyPatch) -> None:
    """Have an unpublish write nothing where it finds nothing to take away."""
    release = UnpublishVolume._release

    async def lazy(self: UnpublishVolume, seen: VolumeRecord) -> WriteResult:
        if self._detach.leaving(seen):
            return await release(self, seen)
        operation = self._steps.operation
        return WriteResult(landed=True, record=seen.model_copy(update={"operation": operation}), by=operation)

    patch.setattr(UnpublishVolume, "_release", lazy)


def a_departed_holder_is_rolled_back(patch: pytest.MonkeyPatch) -> None:
    """Have a failed publish take from its node what that held when its PV went."""
    patch.setattr(PublishRollback, "_keeps_departed", lambda _: False)
    patch.setattr(PublishRollback, "_is_departed", lambda *_: False)


def a_rollback_gives_up(patch: pytest.MonkeyPatch) -> None:
    """Let a rollback end though the backend has not detached."""

    async def once(self: Steps, call: Any) -> None:
        with suppress(ActivityError):
            await self.backend_unpublish(call)

    patch.setattr(Steps, "backend_undo", once)


def what_can_not_be_asked_has_failed(patch: pytest.MonkeyPatch) -> None:
    """Give a hold up whose publish is past its retention."""
    patch.setattr(unpersisted, "lives", lambda fate, **more: fate is not holds.Fate.UNKNOWN and holds.lives(fate, **more))
    patch.setattr(holds, "is_needed", lambda *, publisher_lives, **_: publisher_lives)


def a_word_before_the_first_task_is_too_early(patch: pytest.MonkeyPatch) -> None:
    """Have the word of a publish meet a hold that has not begun."""
    patch.delattr(PersistAttachment.__init__, "__temporal_workflow_init")


def ones_own_hold_is_an_earlier_holder(patch: pytest.MonkeyPatch) -> None:
    """Have a publish take what its own hold wrote for what was there before."""
    patch.setattr(UnpersistedHold, "mine", ())


def a_node_that_is_not_ready_is_dead(patch: pytest.MonkeyPatch) -> None:
    """Take a node for dead that is ill."""
    patch.setattr(Proof, "weigh", lambda _, seen, *__: "" if seen.ready else "it is not Ready")


def absence_is_no_matter_of_time(patch: pytest.MonkeyPatch) -> None:
    """Take a node for dead that is gone for a moment."""
    patch.setattr(Proof, "due", property(lambda self: self.absence.since if self.absence else None))


def releases_are_bound_to_nothing(patch: pytest.MonkeyPatch) -> None:
    """Have an evacuation release what was published since it looked."""

    def unbound(self: EvacuationActivities, node_id: str, held: Any) -> UnpublishRequest:
        return UnpublishRequest(driver=self._driver, volume_handle=held.volume_handle, node_id=node_id)

    patch.setattr(EvacuationActivities, "_request", unbound)


def a_reset_run_fails_as_if_it_had_begun_nothing(patch: pytest.MonkeyPatch) -> None:
    """Have a run that was reset fail without a burn."""
    patch.setattr("workflows.publish.was_reset", lambda: False)


def a_reset_run_detaches_no_more(patch: pytest.MonkeyPatch) -> None:
    """Take what the former self of a run detached for detached still."""
    patch.setattr(BackendDetach, "_is_detached", lambda self, node, epoch: node in self._at and self._at[node][0] >= epoch)


def a_reset_run_attaches_on_its_former_self(patch: pytest.MonkeyPatch) -> None:
    """Have a run that was reset go on with what its former self acquired."""
    patch.setattr(RecordAcquisition, "outlived", False)


def a_reset_run_attaches_no_more(patch: pytest.MonkeyPatch) -> None:
    """Take what the former self of a run attached for attached still."""
    patch.setattr(BackendAttach, "outlived", False)


def a_reset_rollback_is_of_two_runs(patch: pytest.MonkeyPatch) -> None:
    """Have a rollback that was reset write as its former self, and leave the backend as a run of its own."""
    patch.setattr("workflows.publication.rollback._as_one_run", lambda _, now: now)


def a_run_forgets_its_epochs(patch: pytest.MonkeyPatch) -> None:
    """Have a run go by what others know of the volume's epochs alone."""
    patch.setattr(Steps, "_above", lambda _, known: known)


def a_release_teaches_nothing(patch: pytest.MonkeyPatch) -> None:
    """Have an unpublish whose release is refused go by what others know of the volume's epochs alone."""
    release = Steps.release

    async def unlearnt(self: Steps, write: Write) -> WriteResult:
        before, self.highest = self.highest, 0
        result = await release(self, write)
        self.highest = max(before, self.highest)
        return result

    patch.setattr(Steps, "release", unlearnt)


def every_node_at_the_driver_is_a_stray(patch: pytest.MonkeyPatch) -> None:
    """Have a heal detach a node though a record names it by now."""
    patch.setattr(UnpublishVolume, "_belongs", lambda *_: False)


def heals_are_bound_to_nothing(patch: pytest.MonkeyPatch) -> None:
    """Have a heal release what was published since the look."""
    unpublish = Healer._unpublish

    async def unbound(self: Healer, drift: Any, *, stray: bool = False, at_epoch: int | None = None) -> Any:
        return await unpublish(self, drift, stray=stray)

    patch.setattr(Healer, "_unpublish", unbound)

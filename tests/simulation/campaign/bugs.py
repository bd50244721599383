"""Faults of one line each, planted in the deployed code: a campaign is worth what it finds of them.

Each is looked for in the kind of world that is made for it (kinds.py); table.py says after how many operations it is found.

NB: workflow code runs without the SDK's sandbox here, so that what is patched is what runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from mooring.cluster.attachment_cache import ClusterAttachmentCache
from mooring.cluster.volume_attachments import ClusterAttachments
from mooring.errors import Contended, MooringError
from mooring.evidence import operations
from mooring.evidence.evidence import EvidenceReader
from mooring.index.departures import Departures
from mooring.index.manager import AttachmentManager
from mooring.models import Part, VolumeRecord, Write
from mooring.records import annotations as written
from mooring.records import fence, leads, refusals
from mooring.temporal.runs import OpenRun
from tests.simulation.campaign import run_bugs, step_bugs
from tests.simulation.campaign.workers import LOGIN

Bug = Callable[[pytest.MonkeyPatch], None]


def nothing_is_tested(patch: pytest.MonkeyPatch) -> None:
    """Write without a look at what the decision was based on."""

    def untested(write: Write, part: Part) -> list[Any]:
        return [each for each in written.patch(write, part) if each["op"] != "test" or each["path"] == "/metadata/uid"]

    patch.setattr("mooring.cluster.persistent_volumes.patch", untested)


def renewals_are_undone(patch: pytest.MonkeyPatch) -> None:
    """Have a failed publish take back what its node held before it."""
    patch.setattr(fence, "stays", lambda *_, **__: False)


def attempts_are_known_by_their_epoch(patch: pytest.MonkeyPatch) -> None:
    """Take another operation's record for one's own, if it is of the same epoch."""
    patch.setattr(fence, "made", lambda write, _, found: found.mark.epoch == write.epoch)


def rollbacks_take_what_others_wrote(patch: pytest.MonkeyPatch) -> None:
    """Take every record that names the node for one's own."""
    patch.setattr(fence, "holds_by", lambda *_: True)


def a_run_ends_on_anybodys_record(patch: pytest.MonkeyPatch) -> None:
    """Let a run that was reset end on what its former self wrote."""
    patch.setattr(fence, "is_current", lambda *_: True)


def one_pv_of_several_bears_the_record(patch: pytest.MonkeyPatch) -> None:
    """Write the first PV of a volume, and none of the others."""
    write = fence._write

    def first(*given: Any) -> Write:
        return write(*given).model_copy(update={"others": ()})

    patch.setattr(fence, "_write", first)


def free_records_lead_nowhere(patch: pytest.MonkeyPatch) -> None:
    """Have a record that names no holder lead to no other PV."""
    patch.setattr(leads, "read", lambda *_: ())


def nobody_is_refused(patch: pytest.MonkeyPatch) -> None:
    """Let every node have every volume."""
    patch.setattr(refusals, "refuse", lambda *_: None)


def a_shared_request_joins_anybody(patch: pytest.MonkeyPatch) -> None:
    """Let a request for shared use join an attachment for exclusive use."""
    excludes = refusals._excludes
    patch.setattr(refusals, "_excludes", lambda held, asked: None if asked.access_mode.multi_node else excludes(held, asked))


def a_detach_bears_the_token_of_the_attach(patch: pytest.MonkeyPatch) -> None:
    """Let a detach be no later than the attach that it undoes."""
    patch.setattr(fence, "detach_token", lambda epoch: 2 * epoch or None)


def a_detach_bears_the_token_of_the_next_attach(patch: pytest.MonkeyPatch) -> None:
    """Let a detach be as late as an attach at the epoch after it."""
    patch.setattr(fence, "detach_token", lambda epoch: 2 * (epoch + 1) if epoch else None)


def evidence_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    """Go by what a PV says, whatever is known beyond it."""

    async def as_said(_: EvidenceReader, __: str, live: VolumeRecord, *___: Any) -> VolumeRecord:
        return live

    patch.setattr(EvidenceReader, "as_known", as_said)


def absent_is_gone(patch: pytest.MonkeyPatch) -> None:
    """Take a VolumeAttachment for gone that the watch doesn't show."""

    async def never(*_: Any) -> bool:
        return False

    patch.setattr(ClusterAttachments, "is_attached", never)


def departures_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Forget whom a PV named that went."""
    patch.setattr(Departures, "note", lambda *_: None)
    patch.setattr(ClusterAttachmentCache, "of", lambda *_: [])
    patch.setattr("mooring.evidence.evidence.last_run", _nothing)


def an_altered_record_is_taken_as_it_is(patch: pytest.MonkeyPatch) -> None:
    """Believe a PV that says less than it was seen to say."""
    patch.setattr("mooring.evidence.evidence.altered", lambda live, _: live)
    patch.setattr("mooring.evidence.evidence.lowered", lambda *_: False)


def an_altered_record_is_adopted_again_and_again(patch: pytest.MonkeyPatch) -> None:
    """Have an adoption that can never succeed be tried for ever."""
    patch.setattr(refusals, "_lowered", lambda *_: Contended("It is altered."))


def epochs_of_a_pv_that_went_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Take the last epoch that a run knew for its highest."""
    patch.setattr(operations.LastRun, "epoch", property(lambda self: max(self.record.epoch, self.record.floor)))


def a_hold_minds_no_unpublish(patch: pytest.MonkeyPatch) -> None:
    """Have a hold record whom an open unpublish may be about to leave."""

    async def as_known(_: EvidenceReader, __: str, ___: VolumeRecord, known: VolumeRecord, *____: Any) -> VolumeRecord:
        return known

    patch.setattr(EvidenceReader, "as_settled", as_known)


def what_is_left_over_speaks(patch: pytest.MonkeyPatch) -> None:
    """Let a VolumeAttachment speak for its node, however old it is."""
    patch.setattr(operations.LastRun, "outdates", lambda *_: False)


def whoever_asks_is_answered_for_another(patch: pytest.MonkeyPatch) -> None:
    """Have a caller join an open run that was asked for something else."""
    patch.setattr(OpenRun, "does", lambda self, workflow, _: self.workflow == workflow)


def nothing_leaves_the_index(patch: pytest.MonkeyPatch) -> None:
    """Keep an attachment in memory whatever becomes of it."""
    patch.setattr(AttachmentManager, "stop_tracking", lambda *_: None)
    patch.setattr(AttachmentManager, "untrack_attachment", lambda *_: None)


def errors_tell_the_login(patch: pytest.MonkeyPatch) -> None:
    """Have every error say by which login it came."""
    patch.setattr(MooringError, "__str__", lambda self: f"{self.args}, asked by {LOGIN}")


def a_task_that_was_given_away_writes(patch: pytest.MonkeyPatch) -> None:
    """Let a worker that was frozen in a first task go on as if it still had that."""

    async def always(*_: Any) -> bool:
        return True

    patch.setattr("activities.registry.is_in_first_task", always)


async def _nothing(*_: Any) -> None:
    return None


_PLANTED: Final[list[tuple[Bug, str]]] = [
    (nothing_is_tested, "usual"),
    (renewals_are_undone, "busy operator"),
    (run_bugs.renewals_are_not_written, "busy operator"),
    (run_bugs.an_unpublish_of_nothing_moves_no_epoch, "busy operator"),
    (attempts_are_known_by_their_epoch, "usual"),
    (rollbacks_take_what_others_wrote, "busy operator"),
    (a_run_ends_on_anybodys_record, "busy operator"),
    (one_pv_of_several_bears_the_record, "several PVs"),
    (free_records_lead_nowhere, "several PVs"),
    (nobody_is_refused, "usual"),
    (a_shared_request_joins_anybody, "mixed modes"),
    (a_detach_bears_the_token_of_the_attach, "usual"),
    (a_detach_bears_the_token_of_the_next_attach, "usual"),
    (evidence_is_not_asked, "PVs go"),
    (absent_is_gone, "views differ"),
    (departures_are_forgotten, "PVs go"),
    (an_altered_record_is_taken_as_it_is, "PVs go"),
    (an_altered_record_is_adopted_again_and_again, "PVs go"),
    (epochs_of_a_pv_that_went_are_forgotten, "PVs go"),
    (a_hold_minds_no_unpublish, "PVs of sharers go"),
    (what_is_left_over_speaks, "blind workers"),
    (run_bugs.a_departed_holder_is_rolled_back, "PVs come late"),
    (run_bugs.a_rollback_gives_up, "the driver is ill"),
    (run_bugs.what_can_not_be_asked_has_failed, "holds outlive their publishes"),
    (run_bugs.a_word_before_the_first_task_is_too_early, "PVs come late"),
    (run_bugs.ones_own_hold_is_an_earlier_holder, "PVs come late"),
    (whoever_asks_is_answered_for_another, "usual"),
    (run_bugs.a_node_that_is_not_ready_is_dead, "nodes die"),
    (run_bugs.absence_is_no_matter_of_time, "nodes die"),
    (run_bugs.releases_are_bound_to_nothing, "nodes come back"),
    (nothing_leaves_the_index, "usual"),
    (run_bugs.a_reset_run_fails_as_if_it_had_begun_nothing, "runs go back"),
    (run_bugs.a_reset_run_detaches_no_more, "PVs come late"),
    (run_bugs.a_reset_run_attaches_on_its_former_self, "runs go back"),
    (run_bugs.a_reset_run_attaches_no_more, "runs go back"),
    (run_bugs.a_reset_rollback_is_of_two_runs, "busy operator"),
    (run_bugs.a_run_forgets_its_epochs, "PVs go"),
    (run_bugs.a_release_teaches_nothing, "PVs of sharers go"),
    (run_bugs.every_node_at_the_driver_is_a_stray, "heals come late"),
    (run_bugs.heals_are_bound_to_nothing, "heals come late"),
    (a_task_that_was_given_away_writes, "workers freeze"),
    (errors_tell_the_login, "usual"),
    (step_bugs.rollback_gives_way_to_a_cancellation, "busy operator"),
    (step_bugs.every_look_is_trusted, "busy operator"),
    (step_bugs.undo_is_signed_by_the_run, "busy operator"),
    (step_bugs.unpublish_lets_go_before_it_detaches, "usual"),
    (step_bugs.claim_is_not_remembered, "busy operator"),
    (step_bugs.nothing_is_burned, "busy operator"),
    (step_bugs.hold_of_another_node_is_not_seen, "PVs come late"),
    (step_bugs.rollback_leaves_the_backend, "usual"),
    (step_bugs.reset_runs_trust_what_waited, "PVs come late"),
    (step_bugs.first_task_forgets_nothing, "workers freeze"),
    (step_bugs.renewal_is_local, "workers freeze"),
]
BUGS: Final[dict[str, Bug]] = {bug.__name__: bug for bug, _ in _PLANTED}
MADE_FOR: Final[dict[str, str]] = {bug.__name__: kind for bug, kind in _PLANTED}
"""The kind of world in which each is looked for."""

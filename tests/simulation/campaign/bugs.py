"""Faults of one line each, planted in the deployed code: a campaign is worth what it finds of them.

Found by seed 1 after so many operations: unpublish_lets_go_before_it_detaches 8, nothing_is_tested 17,
a_detach_bears_the_token_of_the_attach 77, rollback_leaves_the_backend 89, attempts_are_known_by_their_epoch 200,
evidence_is_not_asked 300, renewals_are_undone 390. Not found in 900: nothing_is_burned, every_look_is_trusted.

NB: workflow code runs without the SDK's sandbox here, so that what is patched is what runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from mooring.cluster.attachment_cache import ClusterAttachmentCache
from mooring.cluster.volume_attachments import ClusterAttachments
from mooring.evidence.evidence import EvidenceReader
from mooring.index.departures import Departures
from mooring.models import VolumeRecord, Write
from mooring.records import annotations as written
from mooring.records import fence
from tests.simulation import bugs

Bug = Callable[[pytest.MonkeyPatch], None]


def nothing_is_tested(patch: pytest.MonkeyPatch) -> None:
    """Write without a look at what the decision was based on."""

    def untested(write: Write, place: int = 0) -> list[Any]:
        return [each for each in written.patch(write, place) if each["op"] != "test" or each["path"] == "/metadata/uid"]

    patch.setattr("mooring.cluster.persistent_volumes.patch", untested)


def renewals_are_undone(patch: pytest.MonkeyPatch) -> None:
    """Have a failed publish take back what its node held before it."""
    patch.setattr(fence, "stays", lambda *_, **__: False)


def attempts_are_known_by_their_epoch(patch: pytest.MonkeyPatch) -> None:
    """Take another operation's record for one's own, if it is of the same epoch."""
    patch.setattr(fence, "made", lambda write, _, found: found.mark.epoch == write.epoch)


def a_detach_bears_the_token_of_the_attach(patch: pytest.MonkeyPatch) -> None:
    """Let a detach be no later than the attach that it undoes."""
    patch.setattr(fence, "detach_token", lambda epoch: 2 * epoch or None)


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


BUGS: Final[dict[str, Bug]] = {
    bug.__name__: bug
    for bug in [
        nothing_is_tested,
        renewals_are_undone,
        attempts_are_known_by_their_epoch,
        a_detach_bears_the_token_of_the_attach,
        evidence_is_not_asked,
        absent_is_gone,
        departures_are_forgotten,
        bugs.rollback_gives_way_to_a_cancellation,
        bugs.every_look_is_trusted,
        bugs.unpublish_lets_go_before_it_detaches,
        bugs.claim_is_not_remembered,
        bugs.nothing_is_burned,
        bugs.hold_of_another_node_is_not_seen,
        bugs.rollback_leaves_the_backend,
        bugs.reset_runs_trust_what_waited,
    ]
}

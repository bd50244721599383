"""The rules with one left out, each as somebody might write it in good faith."""

from __future__ import annotations

from tests.records.fence.waiting.rules import Rules
from tests.records.fence.waiting.state import Fate, Found, Hold, Record, Run, Write


class EarlyWordIsLost(Rules):
    """A hold knows nothing of a word that arrived before its first task."""

    settles_first = False


class AskedForNothing(Rules):
    """A hold doesn't ask for its publish."""

    def lives(self, hold: Hold) -> bool:  # noqa: ARG002
        return True


class AbsenceProvesRollback(Rules):
    """A publish that can't be found is taken for rolled back, and that for more than its word."""

    def is_needed(self, hold: Hold) -> bool:
        return hold.fate is not Fate.UNKNOWN and super().is_needed(hold)


class TakesNothingBack(Rules):
    """A hold that is ended takes back nothing that it may have written."""

    takes_back = False


class UnpublishEndsHoldFirst(Rules):
    """An unpublish ends the hold before the backend has detached."""

    unpublish_detaches_first = False


class RollbackEndsHoldFirst(Rules):
    """A rollback ends the hold before the backend has detached."""

    detaches_first = False


class SucceedsWithoutALook(Rules):
    """A publish that has given its word doesn't look for its hold."""

    looks_at_last = False


class HoldsByAnEndingRun(Rules):
    """A hold that was asked to end counts as one."""

    minds_ending = False


class WritesBesideHolds(Rules):
    """A publish doesn't mind that another attachment waits."""

    def joins(self, found: Found | None) -> bool:  # noqa: ARG002
        return False


class ReleasesNothingBesideHolds(Rules):
    """An unpublish doesn't touch the record while another node's hold is open."""

    releases_beside = False


class OwnHoldIsAnothers(Rules):
    """A publish takes what its own hold has recorded for a holder from before."""

    owns_hold = False


class ForgetsItsWord(Rules):
    """A publish that gave its hold its word, and has no backend, believes that nothing of it remains."""

    backend = False
    counts_recorded = False


class TakesBackInThePublishsName(Rules):
    """A hold that takes back signs as its publish."""

    def take_back(self, seen: Record, hold: Hold) -> Write | None:
        return self.undo(seen, hold.node, hold.operation, (self.signs(hold),), renews=hold.renews)


class HeedsTheDead(Rules):
    """A hold ends for an operation that is over."""

    def heeds(self, hold: Hold, run: Run | None) -> bool:  # noqa: ARG002
        return True


class EndsWhatIsEnding(Rules):
    """A publish ends the hold that it finds being ended, and what goes on in its place."""

    spares_ending = False


class EndsOneRunAlone(Rules):
    """An end of a hold ends that run, and not the run that goes on in its place."""

    ends_heirs = False


class ReliesOnWhatIsOver(Rules):
    """A publish relies on a hold that was reset after it had ended."""

    ends_what_is_over = False


class ReliesOnAFoundHoldAlone(Rules):
    """A publish relies on the hold that it finds, whomever the record names."""

    looks_beside_found = False


class RecordsAfterItsEnd(Rules):
    """A hold that was reset after it had ended records its node."""

    minds_its_end = False


class ForgetsTheDeparted(Rules):
    """A publish without a PV minds nobody who held the volume when its PV went."""

    def bars(self, departed: Record, node: str, operation: int) -> bool:  # noqa: ARG002
        return False


class ClaimsNothingOnWhatGoes(Rules):
    """An acquisition that finds its PV gone is taken for one of which nothing remains, though an attempt before may have landed."""

    minds_going = False


class TakesBackTheDeparted(Rules):
    """A rollback has the backend detach a node that held the volume when its PV went."""

    keeps_departed = False


class SignsForItsPublish(Rules):
    """A hold signs its acquisitions as its publish."""

    signs_itself = False


class EndsOnAnothersWord(Rules):
    """A publish that was reset ends on what its former self had found."""

    def may_succeed(self, found: Found, operation: int) -> bool:  # noqa: ARG002
        return True


class EndsTheFormersHold(Rules):
    """A rollback ends the hold of the run that it was reset from."""

    spares_former = False


class EndsTheFormersResetHold(Rules):
    """A rollback takes the hold of the run that it was reset from for its own, as that was reset, too."""

    spares_heirs = False


class LosesItsResetHold(Rules):
    """A rollback knows nothing of a hold of its own that was reset."""

    ends_own_heirs = False


class LeavesWhatItsResetHoldRecorded(Rules):
    """A publish takes a record by a hold of its own that was reset for another's."""

    asks_who_recorded = False


class WaitsForItsWordAfterItsEnd(Rules):
    """A hold that was reset after it had ended waits for the word of its publish."""

    asks_when_over = False

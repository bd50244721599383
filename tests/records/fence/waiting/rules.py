"""The rules as designed, each asked of `mooring.records.holds` or `mooring.records.fence`. A test leaves one out by overriding a
method."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from mooring.models import Attachment, Precondition, PublishRequest, UnpersistedRun, VolumeRecord
from mooring.models import Write as FenceWrite
from mooring.records import fence, holds, refusals
from tests.records.fence.explorer.rules import Acquire
from tests.records.fence.explorer.rules import Rules as RecordRules
from tests.records.fence.waiting.state import Fate, Found, Hold, Look, Record, Run, Write

_NOW = datetime(2026, 1, 31, tzinfo=UTC)
_RECORD = RecordRules()
_HOLDS = 100
"""Number of holds that an operation may begin, at most: a hold's signature is made of both numbers."""


class Rules:
    """The decisions about one volume for one node."""

    backend = True
    """True if there is a backend, which attaches and detaches."""
    settles_first = True
    """True if the word of a publish counts even if it arrives before the hold's first task."""
    unpublish_detaches_first = True
    """True if an unpublish has the backend detach before it ends the hold."""
    detaches_first = True
    """True if a rollback has the backend detach before it ends its hold."""
    releases_beside = True
    """True if an unpublish writes the record although another node's hold is open."""
    undoes_beside = True
    """True if a rollback does so, too."""
    takes_back = True
    """True if a hold that is ended takes back what it may have written."""
    looks_at_last = True
    """True if a publish looks for its hold after it has given its word."""
    minds_ending = True
    """True if a hold that was asked to end counts as none."""
    owns_hold = True
    """True if the record of a publish's own hold is its own acquisition."""
    signs_itself = True
    """True if a hold signs its acquisitions with an id of its own, and not with that of its publish."""
    counts_recorded = True
    """True if a publish remembers that its own hold may have written."""
    ends_heirs = True
    """True if the end of a hold also ends the run that goes on in its place."""
    spares_ending = True
    """True if a publish leaves the end of a hold to the operation that has asked for it."""
    ends_what_is_over = True
    """True if a publish ends a hold that was reset after it had ended, and never relies on one."""
    minds_its_end = True
    """True if a hold that was reset after it had ended records nothing."""
    asks_when_over = True
    """True if such a hold doesn't wait for the word of its publish either."""
    looks_beside_found = True
    """True if a publish relies on a hold that it finds only where no record excludes its node."""
    minds_going = True
    """True if an acquisition whose PV went counts as one that may have landed."""
    keeps_departed = True
    """True if a rollback leaves a node that held the volume when its PV went."""
    ends_own_heirs = True
    """True if a rollback ends a hold of its own that it has lost sight of, as that was reset."""
    asks_who_recorded = True
    """True if a publish asks whether a record that it doesn't know is that of its own hold, which went on in another run."""
    spares_former = True
    """True if a rollback leaves the hold that the run it was reset from had begun."""
    spares_heirs = True
    """True if it does so although that hold goes on in another run."""

    def acquire(self, seen: Record, node: str, operation: int) -> Acquire | None:
        """Ask `fence.acquire`; return None for a refusal."""
        return _RECORD.acquire(seen, node, operation)

    def signs(self, hold: Hold) -> int:
        """Return what a hold signs its acquisitions with."""
        return signed(hold.operation, hold.number) if self.signs_itself else hold.operation

    def mine(self, run: Run) -> tuple[int, ...]:
        """Return what the acquisitions of a publish's own holds are signed with."""
        return tuple(signed(run.operation, own) for own in run.own) if self.owns_hold else ()

    def knows(self, run: Run, seen: Record | None) -> Run:
        """Return the run that has asked whether its own hold has written the record, in another run than it has seen."""
        wrote, hold = divmod(seen.operation if seen else 0, _HOLDS)
        own = wrote == run.operation and run.own and hold not in run.own and self.asks_who_recorded
        return run._replace(own=(*run.own, hold)) if own else run

    def stays(self, seen: Record, look: Look, node: str, mine: tuple[int, ...] = (), *, stayed: bool) -> bool:
        """Ask `fence.stays`, of an acquisition that renews."""
        return _stays(seen, node, (look.by, *mine), stayed)

    def bars(self, departed: Record, node: str, operation: int) -> bool:
        """Ask `refusals.bar`, with what is known of a volume without a PV."""
        return _bars(departed, node, operation)

    def release(self, seen: Record, node: str, operation: int) -> Write:
        """Ask `fence.release`."""
        return _RECORD.release(seen, node, operation)

    def undo(self, seen: Record, node: str, operation: int, mine: tuple[int, ...] = (), *, renews: bool) -> Write | None:
        """Ask `fence.undo`."""
        return _undo(seen, node, operation, mine, renews)

    def take_back(self, seen: Record, hold: Hold) -> Write | None:
        """Ask `fence.undo`, for a hold."""
        mine = (self.signs(hold), *hold.signed)
        return self.undo(seen, hold.node, signed(hold.operation, hold.number), mine, renews=hold.renews)

    def lands(self, write: Write, pv: Record | None) -> Record | None:
        """Return the PV's next record as the API server makes it of an attempt, or None if it refuses it."""
        return _RECORD.lands(write, pv)

    def landed(self, write: Write, found: Record) -> bool:
        """Ask `fence.landed`."""
        return _RECORD.landed(write, found)

    def trusts(self, look: Look, run: Run) -> bool:
        """Return whether a run may end on a look."""
        return look.live and look.by == run.operation

    def admits(self, found: Found, node: str) -> bool:
        """Ask `holds.refuse`, and return the opposite."""
        return _admits(found.node, node)

    def is_open(self, number: int, found: Found | None) -> bool:
        """Ask `holds.is_open`."""
        return holds.is_open(_waiting(Found(number, "A", 0, ending=False, by=0)), found and _waiting(self._known(found)))

    def is_over(self, found: Found) -> bool:
        """Return whether a publish ends the hold that it finds."""
        return found.over and self.ends_what_is_over

    def is_ending(self, found: Found | None) -> bool:
        """Return whether the hold is waited for to end."""
        return found is not None and self._known(found).ending

    def may_succeed(self, found: Found, operation: int) -> bool:
        """Ask `holds.may_succeed`."""
        return holds.may_succeed(_waiting(found), str(operation))

    def joins(self, found: Found | None) -> bool:
        """Return whether a publish minds that an attachment waits."""
        return found is not None

    def is_needed(self, hold: Hold) -> bool:
        """Ask `holds.is_needed`, after a look at the publish."""
        return holds.is_needed(settled=hold.settled, publisher_lives=self.lives(hold))

    def heeds(self, hold: Hold, run: Run | None) -> bool:
        """Return whether a hold ends for the operation that asks for it."""
        return not hold.asker or (run is not None and run.operation == hold.asker)

    def lives(self, hold: Hold) -> bool:
        """Ask `holds.lives`."""
        return holds.lives(hold.fate, learnt=hold.learnt) and not (hold.is_known_over and self.asks_when_over)

    def is_heir(self, found: Found | None) -> bool:
        """Return whether a publish that fails takes the hold that it finds for its own, which goes on in another run."""
        return found is not None and holds.is_mine(_waiting(found)) and self.ends_own_heirs

    def is_mine(self, found: Found, started: int) -> bool:
        """Ask `holds.is_mine`."""
        spares = self.spares_former and (self.spares_heirs or found.number == started)
        return holds.is_mine(_waiting(found)) or not spares

    def _known(self, found: Found) -> Found:
        return found if self.minds_ending else found._replace(ending=False)


def signed(operation: int, hold: int) -> int:
    """Return what a hold of this operation signs with."""
    return _HOLDS * operation + hold


def operation_of(signature: int) -> int:
    """Return the operation that has written this, or whose hold has."""
    return signature // _HOLDS or signature


def closed(fate: Fate) -> bool:
    """Return whether a publish of this fate has ended."""
    return fate not in (Fate.OPEN, Fate.UNKNOWN)


@cache
def _waiting(found: Found) -> UnpersistedRun:
    attachment = Attachment(node_id=found.node, attached_at=_NOW)
    return UnpersistedRun(
        attachment=attachment, run_id=str(found.number), by=str(found.by), begun_by=str(found.parent), ending=found.ending
    )


@cache
def _admits(held: str, node: str) -> bool:
    asked = PublishRequest(volume_handle="pvc-7", node_id=node)
    return holds.refuse(Attachment(node_id=held, attached_at=_NOW), asked) is None


@cache
def _bars(departed: Record, node: str, operation: int) -> bool:
    known = _record(departed._replace(epoch=0, floor=departed.epoch))
    return refusals.bar(known, PublishRequest(volume_handle="pvc-7", node_id=node), str(operation)) is not None


@cache
def _stays(seen: Record, node: str, mine: tuple[int, ...], stayed: bool) -> bool:
    record = _record(seen)
    acquire = fence.Acquire(FenceWrite(volume=_VOLUME, node_id=node, mark=record.mark, operation="", holders=()), renews=True)
    return fence.stays(acquire, record, *map(str, mine), stayed=stayed)


@cache
def _undo(seen: Record, node: str, by: int, mine: tuple[int, ...], renews: bool) -> Write | None:
    write = fence.undo(_record(seen), _VOLUME, node, str(by), renews=renews, mine=tuple(map(str, mine)))
    return (
        None if write is None else Write(seen.mark, tuple(held.node_id for held in write.holders), by, f"undo {node}", write.floor)
    )


def _record(seen: Record) -> VolumeRecord:
    mark = Precondition(pv="pv-7", uid=str(seen.uid), epoch=seen.epoch or None, node=seen.mark.node or None)
    return VolumeRecord(
        mark=mark,
        operation=str(seen.operation) if seen.operation else "",
        holders=tuple(Attachment(node_id=node, attached_at=_NOW) for node in seen.holders),
        floor=seen.floor,
        evidence="It went." if seen.floor and seen.holders else "",
    )


_VOLUME = PublishRequest(volume_handle="pvc-7", node_id="A")

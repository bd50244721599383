"""The rules as designed: every decision is `mooring.records.fence`'s own, remembered so that it is asked only once for one
question.

The API server's part is here too: what an attempt tests, and the record it makes. A test leaves a rule out by
overriding one method (switches.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from mooring import models
from mooring.models import AccessMode
from mooring.records import fence
from tests.records.fence.explorer.state import ALL, Look, Mark, Record, Run, Write

VOLUME = models.VolumeRef(volume_handle="pvc-7")
_NOW = datetime(2026, 1, 31, tzinfo=UTC)


class Acquire(NamedTuple):
    """A publish's write, and whether its node holds the volume already."""

    write: Write
    renews: bool


@dataclass(frozen=True)
class Rules:
    """The decisions for a volume used in one access mode."""

    mode: AccessMode = AccessMode.SINGLE_NODE_WRITER

    exact = False
    """True if attempts can land that are never seen again under the rules as designed, so that none may be forgotten."""

    driver = False
    """True if there is a driver that attaches and detaches, and enforces tokens."""

    heeds_again = False
    """True if a run whose first task was begun before decides otherwise than others even after its first step."""

    looks_expire = True
    """True if a run that was reset looks again before it ends on what its former self was shown."""

    def as_known(self, pv: Record, known: Record | None) -> Record:
        """Return the PV's record as a look returns it: if it has no epoch, with the evidence beyond it
        (mooring/evidence/evidence.py)."""
        if known is None or pv.epoch:
            return pv
        return Record(pv.uid, 0, known.holders, known.operation, floor=known.epoch, altered=known.uid == pv.uid)

    def stays(self, acquire: Acquire, look: Look, run: Run) -> bool:
        """Ask `fence.stays`, as the claimant of a run does."""
        return look.record is not None and _stays(self.mode, acquire.renews, look.record, run.node, look.by, self.leaves(run, look))

    def lets_go(self, run: Run) -> frozenset[str]:
        """Return the nodes that hold the volume no longer, by an operation that ended."""
        return run.nodes

    def acquire(self, seen: Record, node: str, operation: int) -> Acquire | None:
        """Ask `fence.acquire`; return None for a refusal."""
        return _claim(self.mode, seen, node, operation)

    def release(self, seen: Record, node: str, operation: int) -> Write:
        """Ask `fence.release`."""
        return _release(self.mode, seen, node, operation)

    def undo(self, seen: Record, node: str, operation: int, renews: bool) -> Write | None:
        """Ask `fence.undo`."""
        return _undo(self.mode, seen, node, operation, renews)

    def describe(self, seen: Record, node: str, operation: int) -> Write | None:
        """Ask `fence.describe`, with a publish context that the record lacks."""
        return _describe(self.mode, seen, node, operation)

    def landed(self, write: Write, found: Record) -> bool:
        """Ask `fence.landed`."""
        return _landed(self.mode, write, found)

    def is_current(self, record: Record, run: Run) -> bool:
        """Ask `fence.is_current`."""
        return _is_current(self.mode, record, run.operation)

    def lands(self, write: Write, pv: Record | None) -> Record | None:
        """Return the PV's next record as the API server makes it of an attempt, or None if it refuses a test of the mark."""
        if pv is None or not self.passes(write.mark, pv):
            return None
        return Record(pv.uid, max(write.mark.epoch, write.floor) + 1, write.holders, write.operation)

    def passes(self, mark: Mark, pv: Record) -> bool:
        """Return whether the PV passes the tests of the JSON patch."""
        return mark == pv.mark

    def trusts(self, look: Look, run: Run) -> bool:
        """Return whether a run may end on a look: on one of the PV, made by this very run, not by one it was reset from."""
        return look.live and (look.by == run.operation or not self.looks_expire)

    def needs_no_claim(self, look: Look, run: Run) -> bool:  # noqa: ARG002 - an override looks
        """Return whether a publish succeeds on its look alone: never."""
        return False

    def needs_no_release(self, look: Look, run: Run) -> bool:  # noqa: ARG002 - an override looks
        """Return whether an unpublish succeeds on its look alone: never."""
        return False

    def undoes_as(self, look: Look, run: Run) -> int:  # noqa: ARG002 - an override looks
        """Return the operation whose work a rollback undoes: the run that looked, so that one reset from it decides as it did."""
        return look.by

    def identity(self, remembered: Run, number: int) -> int:  # noqa: ARG002 - an override looks
        """Return the id under which a reset operation goes on: its run's own, a new one."""
        return number

    def attach_token(self, epoch: int) -> int:
        """Ask `fence.attach_token`."""
        return fence.attach_token(epoch) or 0

    def detach_token(self, epoch: int) -> int:
        """Ask `fence.detach_token`."""
        return fence.detach_token(epoch) or 0

    def undo_token(self, epoch: int) -> int:
        """Return the token of a rollback's detach."""
        return self.detach_token(epoch)

    def is_detached(self, run: Run, node: str, epoch: int) -> bool:
        """Return whether an unpublish has had the node detached, at this epoch or a later one."""
        return any(each == node and at >= epoch for each, at in run.detached)

    def begun(self, run: Run) -> bool:
        """Return whether an attach that was refused, or one before it, may have been carried out.

        NB: a run that is cancelled may be reset to where it waits for the attach, which is then asked for again.
        """
        return run.begun or run.tried or run.cancelled

    def outlived(self, record: Record, run: Run) -> bool:
        """Return whether an acquisition is that of a former self, and no attach was asked for on it."""
        return record.operation != run.operation

    def undoes_on(self, look: Look, run: Run, pv: Record | None) -> bool:
        """Return whether a rollback goes on from a look: its own, or its former self's if the record still is as it was."""
        return look.by == run.operation or (look.record and look.record.mark) == (pv and pv.mark)

    def is_local(self, look: Look, run: Run, renews: bool) -> bool:
        """Return whether an attempt that is decided on this look is a local activity: in the first task, and no renewal."""
        return not look.live and look.by == run.operation and not renews

    def wakes_to(self, run: Run) -> Iterator[Write]:  # noqa: ARG002
        """Yield the attempts of a worker that wakes up in a first task which another one has been given: none.

        NB: it learns that after it has looked; what it has decided on by then is like any attempt that hangs. So is a release that
        is bound to an epoch which was known before the run began, and needs not learn it.
        """
        yield from ()

    def may_be_refused(self, run: Run) -> bool:
        """Return whether a publish that is refused for something else than the record, as its node is unknown, writes nothing."""
        return not run.again

    def trusts_index(self, run: Run) -> bool:
        """Return whether a run may decide on the index: not if its first task was begun before."""
        return not run.again

    def leaves(self, run: Run, look: Look) -> bool:
        """Return whether a failing publish keeps its node: it held before, or acquired it in the run that this was reset from."""
        return run.renews or bool(run.acquired and run.acquired != look.by)


@cache
def _claim(mode: AccessMode, seen: Record, node: str, operation: int) -> Acquire | None:
    asked = models.PublishRequest(volume_handle=VOLUME.volume_handle, node_id=node, access_mode=mode)
    acquire = fence.acquire(_record(mode, seen), asked, str(operation), _NOW)
    return None if isinstance(acquire, fence.Refuse) else Acquire(_plain(seen, acquire.write, f"acquire {node}"), acquire.renews)


@cache
def _stays(mode: AccessMode, renews: bool, seen: Record, node: str, by: int, stayed: bool) -> bool:
    record = _record(mode, seen)
    nothing = models.Write(volume=VOLUME, node_id=node, mark=record.mark, operation=str(by), holders=())
    return fence.stays(fence.Acquire(nothing, renews), record, str(by), stayed=stayed)


@cache
def _release(mode: AccessMode, seen: Record, node: str, operation: int) -> Write:
    write = fence.release(_record(mode, seen), VOLUME, "" if node == ALL else node, str(operation))
    return _plain(seen, write, f"release {node}")


@cache
def _undo(mode: AccessMode, seen: Record, node: str, operation: int, renews: bool) -> Write | None:
    write = fence.undo(_record(mode, seen), VOLUME, node, str(operation), renews=renews)
    return None if write is None else _plain(seen, write, f"undo {node}")


@cache
def _describe(mode: AccessMode, seen: Record, node: str, operation: int) -> Write | None:
    write = fence.describe(_record(mode, seen), node, str(operation), VOLUME, {"path": "/dev/x"})
    return None if write is None else _plain(seen, write, f"describe {node}")


@cache
def _landed(mode: AccessMode, write: Write, found: Record) -> bool:
    mark = models.Precondition(pv="pv-7", uid=str(write.mark.uid), epoch=write.mark.epoch or None, node=write.mark.node or None)
    holders = _holders(mode, write.holders)
    sent = models.Write(volume=VOLUME, mark=mark, operation=str(write.operation), holders=holders, floor=write.floor)
    return fence.landed(sent, _record(mode, found))


@cache
def _is_current(mode: AccessMode, record: Record, operation: int) -> bool:
    return fence.is_current(_record(mode, record), str(operation))


def _record(mode: AccessMode, record: Record) -> models.VolumeRecord:
    mark = models.Precondition(pv="pv-7", uid=str(record.uid), epoch=record.epoch or None, node=record.mark.node or None)
    return models.VolumeRecord(
        mark=mark,
        operation=str(record.operation) if record.operation else "",
        holders=_holders(mode, record.holders),
        floor=record.floor,
        evidence="It went." if record.floor and record.holders else "",
        altered=record.altered,
    )


def _holders(mode: AccessMode, nodes: tuple[str, ...]) -> tuple[models.Attachment, ...]:
    return tuple(models.Attachment(node_id=node, attached_at=_NOW, access_mode=mode) for node in nodes)


def _plain(seen: Record, write: models.Write, aim: str) -> Write:
    same = (write.mark.uid, write.mark.epoch or 0, write.mark.node or "") == (str(seen.uid), seen.epoch, seen.mark.node)
    if not same:
        raise AssertionError(f"decided on {seen}, written against {write.mark}")
    return Write(seen.mark, tuple(held.node_id for held in write.holders), int(write.operation), aim, write.floor)

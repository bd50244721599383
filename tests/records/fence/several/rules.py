"""The rules as designed: decisions are `mooring.records.fence`'s own, a worker reads as `PersistentVolumeStore` does. A test
overrides one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from mooring import models
from mooring.records import fence
from mooring.records.copies import merge
from tests.records.fence.several.state import EPOCH, Mark, Pv, Run, View, World, Write

_VOLUME = models.VolumeRef(volume_handle="pvc-7")
_NOW = datetime(2026, 1, 31, tzinfo=UTC)


class Acquire(NamedTuple):
    """A publish's write, and whether its node holds the volume already."""

    write: Write
    renews: bool


class Rules:
    """The protocol; the PVs that it is given are those that some worker knows."""

    def acquire(self, seen: frozenset[Pv], node: str, operation: int) -> Acquire | None:
        """Ask `fence.acquire`; return None for a refusal."""
        return _claim(seen, node, operation)

    def release(self, seen: frozenset[Pv], node: str, operation: int) -> Write:
        """Ask `fence.release`."""
        return _release(seen, node, operation)

    def undo(self, seen: frozenset[Pv], node: str, operation: int, renews: bool) -> Write | None:
        """Ask `fence.undo`."""
        return _undo(seen, node, operation, renews)

    def read(self, world: World, view: View, run: Run) -> frozenset[Pv]:
        """Return the PVs that a live look finds whose worker knows those of this view, as `PersistentVolumeStore.read` does."""
        named = self.leads(run.known.union(name for _, name in view), world)
        found = frozenset(pv for pv in world.pvs if pv.name in named)
        return found if self.counts(found, view) else world.pvs

    def leads(self, names: frozenset[str], world: World) -> frozenset[str]:
        """Return these PVs, and those to which their records lead."""
        more = names.union(*(pv.beside for pv in world.pvs if pv.name in names))
        return names if more == names else self.leads(more, world)

    def tells_all(self, pvs: Iterable[Pv], view: View) -> bool:
        """Return whether an index that knows these PVs may be decided on: no record leads to one that it doesn't know."""
        return all({name for _, name in view} >= pv.beside for pv in pvs)

    def counts(self, found: Iterable[Pv], view: View) -> bool:
        """Return whether the PVs found by name are all there is to be known: the view knows any of them."""
        return any((pv.uid, pv.name) in view for pv in found)

    def asks(self, left: Pv, gone: Pv) -> bool:
        """Return whether this PV has workers ask what is known beyond it, now that the other is gone: as `copies.lost_leads`."""
        return left.epoch == EPOCH or gone.name in left.beside

    def passes(self, mark: Mark, pv: Pv, place: int) -> bool:  # noqa: ARG002 - an override looks
        """Return whether the PV passes the tests of the JSON patch; it is the write's PV number `place`."""
        return mark == pv.mark

    def makes(self, write: Write, pv: Pv, place: int) -> Pv:
        """Return the PV that the patch makes."""
        holders, beside = write.holders[place], write.beside(place)
        return pv._replace(epoch=write.epoch, holders=holders, operation=write.operation, beside=beside)

    def made(self, write: Write, pv: Pv, place: int) -> bool:
        """Ask `fence.made`."""
        return (pv.operation, pv.epoch, pv.holders) == (write.operation, write.epoch, write.holders[place])

    def stays(self, acquire: Acquire, seen: frozenset[Pv], run: Run) -> bool:  # noqa: ARG002 - an override looks
        """Ask `fence.stays`."""
        return _stays(seen, run.node, run.operation, run.stayed)

    def may_land(self, write: Write) -> bool:
        """Return whether an acquisition that was refused may still land, on the other PVs."""
        return len(write.marks) > 1

    def is_final(self, run: Run) -> bool:
        """Return whether nothing is under way when a write is refused for good: it is the first attempt, at its first PV."""
        return run.first and run.attempt is not None and not run.attempt.done

    def remembers(self, run: Run) -> Run:
        """Return the run of a rollback, with what it knows of the PVs that its operation saw."""
        return run


@cache
def _claim(seen: frozenset[Pv], node: str, operation: int) -> Acquire | None:
    asked = models.PublishRequest(volume_handle=_VOLUME.volume_handle, node_id=node)
    acquire = fence.acquire(_record(seen), asked, str(operation), _NOW)
    return None if isinstance(acquire, fence.Refuse) else Acquire(_plain(seen, acquire.write), acquire.renews)


@cache
def _stays(seen: frozenset[Pv], node: str, operation: int, stayed: bool) -> bool:
    asked = models.PublishRequest(volume_handle=_VOLUME.volume_handle, node_id=node)
    acquire = fence.acquire(_record(seen), asked, str(operation), _NOW)
    assert isinstance(acquire, fence.Acquire)
    return fence.stays(acquire, _record(seen), str(operation), stayed=stayed)


@cache
def _release(seen: frozenset[Pv], node: str, operation: int) -> Write:
    return _plain(seen, fence.release(_record(seen), _VOLUME, node, str(operation)))


@cache
def _undo(seen: frozenset[Pv], node: str, operation: int, renews: bool) -> Write | None:
    write = fence.undo(_record(seen), _VOLUME, node, str(operation), renews=renews)
    return None if write is None else _plain(seen, write)


def _record(seen: frozenset[Pv]) -> models.VolumeRecord:
    return merge([_one(pv) for pv in sorted(seen)])


def _one(pv: Pv) -> models.VolumeRecord:
    mark = models.Precondition(pv=pv.name, uid=str(pv.uid), epoch=pv.epoch or None, node=pv.mark.node or None)
    holders = tuple(models.Attachment(node_id=node, attached_at=_NOW) for node in pv.holders)
    operation = str(pv.operation) if pv.operation else ""
    return models.VolumeRecord(mark=mark, operation=operation, holders=holders, beside=tuple(sorted(pv.beside)))


def _plain(seen: frozenset[Pv], write: models.Write) -> Write:
    marks = {pv.uid: pv.mark for pv in seen}
    sent = tuple(marks[int(part.mark.uid)] for part in write.parts)
    holders = tuple(tuple(held.node_id for held in part.holders) for part in write.parts)
    return Write(sent, holders, write.epoch, int(write.operation))

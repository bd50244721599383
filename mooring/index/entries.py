"""The last sightings of the PVs, by volume handle. Plain bookkeeping: manager.py controls the changes.

Invariants: `holders`, `attached` and `volumes_on` (of each node) count the holders in the sightings, several of one volume once;
one PV (by uid) is never there twice under a handle; `pvs` names them all.

It relies on this: a PV's driver and volume handle never change (the API server holds the source of a PersistentVolume immutable).
The handle of an in-tree PV may (`Sighting.in_tree`); the PV is under its newest one alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from mooring.records.compact import CompactHolder, CompactRecord
from mooring.records.copies import distinct


class RecordIndex:
    """Sightings by volume handle: one a handle, unless several PVs claim the same."""

    __slots__ = ("_first", "_in_tree", "_more", "attached", "holders", "left", "pvs", "volumes_on")

    def __init__(self) -> None:
        self._first: dict[str, CompactRecord] = {}
        self._more: dict[str, tuple[CompactRecord, ...]] = {}
        self._in_tree: dict[int | str, str] = {}
        """The uid of each in-tree PV -> its handle."""
        self.pvs: Counter[str] = Counter()
        """The names of all PVs; one may be there under its old handle yet."""
        self.left: set[str] = set()
        """The names of PVs that went since somebody has taken these."""
        self.holders = 0
        self.attached = 0
        self.volumes_on: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._first)

    def __iter__(self) -> Iterator[CompactRecord]:
        return chain(self._first.values(), chain.from_iterable(self._more.values()))

    def handles(self) -> list[str]:
        """Return every volume handle."""
        return list(self._first)

    def several(self) -> Iterator[tuple[CompactRecord, ...]]:
        """Yield the sightings of each volume that has several PVs."""
        return ((self._first[handle], *more) for handle, more in self._more.items())

    def entries(self, handle: str) -> tuple[CompactRecord, ...]:
        """Return the sighting of each PV with this handle."""
        first = self._first.get(handle)
        return () if first is None else (first, *self._more.get(handle, ()))

    def nodes(self, handle: str) -> tuple[str, ...]:
        """Return the nodes that hold the volume by any of its PVs."""
        claims = self.entries(handle)
        if len(claims) == 1:
            return claims[0].nodes
        return tuple(dict.fromkeys(node for sighting in claims for node in sighting.nodes))

    def held(self) -> Iterator[tuple[CompactRecord, CompactHolder]]:
        """Yield every holder of every volume, with a PV that names it."""
        for handle, first in self._first.items():
            more = self._more.get(handle)
            if more is None:
                yield from ((first, held) for held in first.held())
            else:
                yield from ((first, held) for held in distinct((first, *more)))

    def entry(self, handle: str, uid: int | str) -> CompactRecord | None:
        """Return the sighting of this one PV, or None if it isn't known."""
        first = self._first.get(handle)
        if first is None or first.uid == uid:
            return first
        return next((other for other in self._more.get(handle, ()) if other.uid == uid), None)

    def put(self, sighting: CompactRecord) -> None:
        """Enter the sighting of a PV, in place of the former one of it, or of the PV that had its name before."""
        if sighting.in_tree:
            if (before := self._in_tree.get(sighting.uid, sighting.handle)) != sighting.handle:
                self.remove(before, sighting.uid)
            self._in_tree[sighting.uid] = sighting.handle
        if sighting.handle not in self._first:
            self._first[sighting.handle] = sighting
            count_by(self.pvs, sighting.pv, 1)
            self._count(sighting.nodes, 1)
            return
        rest = tuple(other for other in self.entries(sighting.handle) if sighting.uid != other.uid and sighting.pv != other.pv)
        self._replace(sighting.handle, (sighting, *rest))

    def give_way(self, other: RecordIndex) -> list[CompactRecord]:
        """Let the other index take this one's place; return the PVs unknown to it that nodes hold, or held last."""
        first = other._first
        unlike = [seen for seen in self if (there := first.get(seen.handle)) is None or there.uid != seen.uid]
        other.left |= self.left | {seen.pv for seen in unlike}
        return [seen for seen in unlike if seen.readable.nodes and other.entry(seen.handle, seen.uid) is None]

    def remove(self, handle: str, uid: int | str) -> None:
        """Forget a PV, if it is known."""
        self._in_tree.pop(uid, None)
        self._replace(handle, tuple(other for other in self.entries(handle) if other.uid != uid))

    def _replace(self, handle: str, claims: tuple[CompactRecord, ...]) -> None:
        self._count(self.nodes(handle), -1)
        for claim in self.entries(handle):
            count_by(self.pvs, claim.pv, -1)
            self.left.add(claim.pv)
        self.left.difference_update(claim.pv for claim in claims)
        for claim in claims:
            count_by(self.pvs, claim.pv, 1)
        self._first.pop(handle, None)
        self._more.pop(handle, None)
        if claims:
            self._first[handle] = claims[0]
        if claims[1:]:
            self._more[handle] = claims[1:]
        self._count(self.nodes(handle), 1)

    def _count(self, nodes: tuple[str, ...], by: int) -> None:
        self.holders += by * len(nodes)
        self.attached += by * bool(nodes)
        for node in nodes:
            count_by(self.volumes_on, node, by)


def count_by(counts: Counter[str], name: str, by: int) -> None:
    """Count, and drop counts of zero, so that names that appear and disappear take no memory."""
    counts[name] += by
    if not counts[name]:
        del counts[name]

"""What the PVs were last seen to say, by volume handle. Plain bookkeeping: who may change it, and when, is manager.py's business.

Invariants: `holders`, `attached` and `volumes_on` (of each node) count what the sightings say; one PV (by uid) is never there twice
under a handle.

It relies on this: a PV's driver and volume handle never change (the API server holds the source of a PersistentVolume immutable).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from mooring.sighting import Sighting


class Index:
    """Sightings by volume handle: one a handle, but where several PVs claim the same."""

    __slots__ = ("_first", "_more", "attached", "holders", "volumes_on")

    def __init__(self) -> None:
        self._first: dict[str, Sighting] = {}
        self._more: dict[str, tuple[Sighting, ...]] = {}
        self.holders = 0
        self.attached = 0
        self.volumes_on: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._first)

    def __iter__(self) -> Iterator[Sighting]:
        return chain(self._first.values(), chain.from_iterable(self._more.values()))

    def handles(self) -> list[str]:
        """Every volume handle."""
        return list(self._first)

    @property
    def duplicates(self) -> int:
        """How many handles several PVs claim."""
        return len(self._more)

    def claims(self, handle: str) -> tuple[Sighting, ...]:
        """What each PV with this handle says."""
        first = self._first.get(handle)
        return () if first is None else (first, *self._more.get(handle, ()))

    def claim(self, handle: str, uid: int | str) -> Sighting | None:
        """What this one PV says."""
        first = self._first.get(handle)
        if first is None or first.uid == uid:
            return first
        return next((other for other in self._more.get(handle, ()) if other.uid == uid), None)

    def put(self, sighting: Sighting) -> None:
        """Enter what a PV says, in place of what it, or the PV that had its name before, said."""
        if sighting.handle not in self._first:
            self._first[sighting.handle] = sighting
            self._count(sighting, 1)
            return
        rest = tuple(other for other in self.claims(sighting.handle) if sighting.uid != other.uid and sighting.pv != other.pv)
        self._replace(sighting.handle, (sighting, *rest))

    def remove(self, handle: str, uid: int | str) -> None:
        """Forget a PV; nothing where it isn't known."""
        self._replace(handle, tuple(other for other in self.claims(handle) if other.uid != uid))

    def _replace(self, handle: str, claims: tuple[Sighting, ...]) -> None:
        for sighting in self.claims(handle):
            self._count(sighting, -1)
        for sighting in claims:
            self._count(sighting, 1)
        self._first.pop(handle, None)
        self._more.pop(handle, None)
        if claims:
            self._first[handle] = claims[0]
        if claims[1:]:
            self._more[handle] = claims[1:]

    def _count(self, sighting: Sighting, by: int) -> None:
        nodes = sighting.nodes
        self.holders += by * len(nodes)
        self.attached += by * bool(nodes)
        for node in nodes:
            count_by(self.volumes_on, node, by)


def count_by(counts: Counter[str], name: str, by: int) -> None:
    """Count, and forget what is down to nothing, so that names that come and go leave nothing behind."""
    counts[name] += by
    if not counts[name]:
        del counts[name]

"""The last cached records of the PVs, by volume handle. Plain bookkeeping: manager.py controls the changes.

Invariants: `holders`, `attached` and `volumes_on` (of each node) count the holders in the cached records, several of one volume
once; one PV (by uid) is never there twice under a handle; `pvs` names them all.

It relies on this: a PV's driver and volume handle never change (the API server holds the source of a PersistentVolume immutable).
The handle of an in-tree PV may (`CompactRecord.in_tree`); the PV is under its newest one alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

from mooring.records.compact import CompactHolder, CompactRecord
from mooring.records.copies import distinct


class RecordIndex:
    """Cached records by volume handle: one a handle, unless several PVs have the same."""

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
        """Yield the cached records of each volume that has several PVs."""
        return ((self._first[handle], *more) for handle, more in self._more.items())

    def entries(self, handle: str) -> tuple[CompactRecord, ...]:
        """Return the cached record of each PV with this handle."""
        first = self._first.get(handle)
        return () if first is None else (first, *self._more.get(handle, ()))

    def nodes(self, handle: str) -> tuple[str, ...]:
        """Return the nodes that hold the volume by any of its PVs."""
        entries = self.entries(handle)
        if len(entries) == 1:
            return entries[0].nodes
        return tuple(dict.fromkeys(node for cached in entries for node in cached.nodes))

    def held(self) -> Iterator[tuple[CompactRecord, CompactHolder]]:
        """Yield every holder of every volume, with a PV that names it."""
        for handle, first in self._first.items():
            more = self._more.get(handle)
            if more is None:
                yield from ((first, held) for held in first.held())
            else:
                yield from ((first, held) for held in distinct((first, *more)))

    def entry(self, handle: str, uid: int | str) -> CompactRecord | None:
        """Return the cached record of this one PV, or None if it isn't known."""
        first = self._first.get(handle)
        if first is None or first.uid == uid:
            return first
        return next((other for other in self._more.get(handle, ()) if other.uid == uid), None)

    def put(self, cached: CompactRecord) -> None:
        """Enter the cached record of a PV, in place of the former one of it, or of the PV that had its name before."""
        if cached.in_tree:
            if (before := self._in_tree.get(cached.uid, cached.handle)) != cached.handle:
                self.remove(before, cached.uid)
            self._in_tree[cached.uid] = cached.handle
        if cached.handle not in self._first:
            self._first[cached.handle] = cached
            count_by(self.pvs, cached.pv, 1)
            self._count(cached.nodes, 1)
            return
        rest = tuple(other for other in self.entries(cached.handle) if cached.uid != other.uid and cached.pv != other.pv)
        self._replace(cached.handle, (cached, *rest))

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

    def _replace(self, handle: str, entries: tuple[CompactRecord, ...]) -> None:
        self._count(self.nodes(handle), -1)
        for entry in self.entries(handle):
            count_by(self.pvs, entry.pv, -1)
            self.left.add(entry.pv)
        self.left.difference_update(entry.pv for entry in entries)
        for entry in entries:
            count_by(self.pvs, entry.pv, 1)
        self._first.pop(handle, None)
        self._more.pop(handle, None)
        if entries:
            self._first[handle] = entries[0]
        if entries[1:]:
            self._more[handle] = entries[1:]
        self._count(self.nodes(handle), 1)

    def _count(self, nodes: tuple[str, ...], by: int) -> None:
        self.holders += by * len(nodes)
        self.attached += by * bool(nodes)
        for node in nodes:
            count_by(self.volumes_on, node, by)


class Replacement:
    """An index in the making, page by page, beside the one in use; `AttachmentManager.replace_all` puts it in its place."""

    def __init__(self, live: RecordIndex) -> None:
        self.index = RecordIndex()
        self._live = live

    def add(self, records: Iterable[CompactRecord]) -> None:
        """Enter part of a list of PVs. A list may be old: the index in use wins where its epoch of the same PV is higher."""
        for cached in records:
            self.index.put(cached.after(self._live.entry(cached.handle, cached.uid)))


def count_by(counts: Counter[str], name: str, by: int) -> None:
    """Count, and drop counts of zero, so that names that appear and disappear take no memory."""
    counts[name] += by
    if not counts[name]:
        del counts[name]

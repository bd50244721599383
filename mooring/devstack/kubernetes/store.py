"""The objects of one resource, their history and their watchers; in memory, gone with the process.

Invariants: an entry never changes, a write replaces it; every write takes the next revision of the one counter that all
resources share; a list's pages all show the objects as they were at its first page; each change reaches its subscribed
watchers once and in order, and is kept for them without bound while they don't read. The store knows nothing of HTTP
and checks no rule of Kubernetes beyond these.
"""

import asyncio
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from mooring.devstack.kubernetes import status
from mooring.devstack.kubernetes.resources import Resource

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace (empty for cluster-wide objects) and name."""

SNAPSHOTS: Final = 32
"""Lists that may be paged through at once; the page after that is told to begin again, as by a real server."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as it was written: JSON without `kind` and `apiVersion`, which only single objects and events carry."""

    key: Key
    revision: int
    raw: bytes

    def decode(self) -> Object:
        """Return a fresh copy of the object, the caller's to change."""
        decoded: Object = msgspec.json.decode(self.raw)
        return decoded


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One change of one object."""

    kind: Literal["ADDED", "MODIFIED", "DELETED"]
    entry: Entry


@dataclass(frozen=True, slots=True)
class Selector:
    """Scope of a list or a watch; None matches everything."""

    namespace: str | None = None
    name: str | None = None

    def matches(self, entry: Entry) -> bool:
        """Return whether the entry is in the scope."""
        return self.namespace in (None, entry.key[0]) and self.name in (None, entry.key[1])


@dataclass(slots=True)
class Revision:
    """The counter that all resources share."""

    current: int

    def next(self) -> int:
        """Return the revision for the next write, which is the current one from now on."""
        self.current += 1
        return self.current


@dataclass(slots=True)
class Watcher:
    """A subscription: the entries it begins with, their revision, and then the changes; None ends it."""

    selector: Selector
    begin: list[ObjectChange]
    revision: int
    changes: asyncio.Queue[ObjectChange | None] = field(default_factory=asyncio.Queue)


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Part of a list: `after` is the last key, or None if no more follow."""

    entries: list[Entry]
    revision: int
    remaining: int

    @property
    def after(self) -> Key | None:
        """The key after which the next page begins, or None if this was the last."""
        return self.entries[-1].key if self.remaining else None


def _entry(key: Key, revision: int, value: Object) -> Entry:
    stamped = {**value, "metadata": {**value["metadata"], "resourceVersion": str(revision)}}
    return Entry(key, revision, msgspec.json.encode(stamped))


class Collection:
    """All objects of one resource."""

    def __init__(self, resource: Resource, revision: Revision, history: int) -> None:
        self.resource = resource
        self.revision = revision
        self._entries: dict[Key, Entry] = {}
        self._history: deque[ObjectChange] = deque()
        self._kept = history
        self._oldest = revision.current
        self._snapshots: OrderedDict[int, list[Entry]] = OrderedDict()
        self._watchers: list[Watcher] = []

    def get(self, key: Key) -> Entry:
        """Return the object as it is now; refuse with 404 if there is none."""
        entry = self._entries.get(key)
        if entry is None:
            raise status.not_found(self.resource, key[1])
        return entry

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def put(self, key: Key, value: Object) -> Entry:
        """Write an object, new or changed, under the next revision."""
        kind: Literal["ADDED", "MODIFIED"] = "MODIFIED" if key in self._entries else "ADDED"
        self._entries[key] = entry = _entry(key, self.revision.next(), value)
        self._publish(ObjectChange(kind, entry))
        return entry

    def preview(self, key: Key, value: Object) -> Entry:
        """Return what `put` would write, for a dry run: nothing is stored, and the revision stays the same."""
        present = self._entries.get(key)
        return _entry(key, present.revision if present else 0, value)

    def remove(self, key: Key) -> Entry:
        """Delete an object and return its last entry, with the revision of the deletion; refuse with 404 if there is none."""
        last = _entry(key, self.revision.next(), self.get(key).decode())
        del self._entries[key]
        self._publish(ObjectChange("DELETED", last))
        return last

    def page(self, selector: Selector, limit: int, at: int | None = None, after: Key | None = None) -> EntryPage:
        """Return at most `limit` objects (0: all) beyond `after`, in the order of their keys, as of revision `at` (None: now)."""
        revision = self.revision.current if at is None else at
        snapshot = self._snapshot(revision)
        begin = 0 if after is None else bisect_right(snapshot, after, key=lambda entry: entry.key)
        wanted = [entry for entry in snapshot[begin:] if selector.matches(entry)]
        end = limit or len(wanted)
        return EntryPage(wanted[:end], revision, max(0, len(wanted) - end))

    def kept_since(self, revision: int) -> list[int]:
        """Return the revisions from this one on that a list can show, in their order; the last is the current one."""
        kept = (known for known in self._snapshots if known >= revision)
        return sorted({*kept, self.revision.current})

    @contextmanager
    def watch(self, selector: Selector, since: int | None) -> Iterator[Watcher]:
        """Subscribe to changes after revision `since`; None begins with all existing objects, as if just added."""
        begin = self._present() if since is None else self._since(since)
        watcher = Watcher(selector, [event for event in begin if selector.matches(event.entry)], self.revision.current)
        self._watchers.append(watcher)
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)

    def compact(self) -> None:
        """Forget history and the pages under way; open watches go on."""
        self._history.clear()
        self._snapshots.clear()
        self._oldest = self.revision.current

    def end_watches(self) -> None:
        """End every watch, as a server does that shuts down."""
        for watcher in self._watchers:
            watcher.changes.put_nowait(None)

    def _publish(self, event: ObjectChange) -> None:
        self._history.append(event)
        while len(self._history) > self._kept:
            self._oldest = self._history.popleft().entry.revision
        for watcher in self._watchers:
            if watcher.selector.matches(event.entry):
                watcher.changes.put_nowait(event)

    def _snapshot(self, revision: int) -> list[Entry]:
        if revision not in self._snapshots:
            if revision != self.revision.current:
                raise status.continue_expired()
            self._snapshots[revision] = sorted(self._entries.values(), key=lambda entry: entry.key)
            while len(self._snapshots) > SNAPSHOTS:
                self._snapshots.popitem(last=False)
        return self._snapshots[revision]

    def _present(self) -> list[ObjectChange]:
        return [ObjectChange("ADDED", entry) for entry in self._snapshot(self.revision.current)]

    def _since(self, since: int) -> list[ObjectChange]:
        if since < self._oldest:
            raise status.watch_expired(since, self._oldest)
        return [event for event in self._history if event.entry.revision > since]

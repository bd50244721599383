"""List and watch, from the parameters of a request to bytes.

Label selectors and other field selectors, which the embedded API doesn't support, are refused, never ignored.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from mooring.devstack.kubernetes import status, wire
from mooring.devstack.kubernetes.store import Collection, Selector, Watcher

BOOKMARK_SECONDS: Final = 10.0
"""Seconds between two bookmarks of a quiet watch; a real server takes a minute, and also sends one shortly before the end."""
LAST_BOOKMARK_SECONDS: Final = 2.0
WATCH_SECONDS: Final = 1800
NAME: Final = "metadata.name="

Query = Mapping[str, str]
Chooser = Callable[[Sequence[int]], int]
"""A choice among the revisions that a list may show."""


def newest(revisions: Sequence[int]) -> int:
    """Choose the newest."""
    return revisions[-1]


def is_true(query: Query, name: str) -> bool:
    """Read a boolean parameter as the server does: true if present and neither `false` nor `0`."""
    return query.get(name, "false") not in ("false", "0")


def number(query: Query, name: str) -> int | None:
    """Return a parameter as a whole number, or None if it is absent or empty; refuse anything else with 400."""
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdecimal():
        raise status.bad_request(f'Invalid value: "{text}": {name} must be a whole number')
    return int(text)


def selector(query: Query, namespace: str | None) -> Selector:
    """Read the selector from the parameters; refuse with 400 one that isn't supported."""
    fields = query.get("fieldSelector", "")
    if query.get("labelSelector"):
        raise status.bad_request("the embedded API server for development knows no label selectors")
    if fields and (not fields.startswith(NAME) or "," in fields):
        raise status.bad_request(f'"{fields}" is not a known field selector: only "metadata.name"')
    return Selector(namespace, fields.removeprefix(NAME) or None)


def listed(collection: Collection, wanted: Selector, query: Query, cached: Chooser) -> bytes:
    """Return the page of a list that `limit` and `continue` select; refuse with 410 a page of a list that is forgotten.

    A list that names a resourceVersion may be as old as that; `cached` chooses.
    """
    if query.get("resourceVersionMatch") == "Exact":
        raise status.bad_request("the embedded API server for development lists no past revisions")
    limit = number(query, "limit") or 0
    since = number(query, "resourceVersion") or 0
    if since > collection.revision.current:
        raise status.too_large_revision(since, collection.revision.current)
    if query.get("continue"):
        if since:
            raise status.bad_request("specifying resource version is not allowed when using continue")
        at, after = wire.read_token(query["continue"])
        return wire.many(collection.resource, collection.page(wanted, limit, at, after))
    shown = cached(collection.kept_since(since)) if query.get("resourceVersion") else None
    return wire.many(collection.resource, collection.page(wanted, limit, shown))


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Parameters of a watch; with `since` None, or with `initial`, it begins with all existing objects."""

    since: int | None
    initial: bool
    bookmarks: bool
    seconds: int

    @classmethod
    def read(cls, query: Query, now: int) -> "WatchOptions":
        """Read them from the request, at revision `now`; refuse with 422 `sendInitialEvents` without its match rule."""
        since = number(query, "resourceVersion") or None
        initial = "sendInitialEvents" in query
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            raise _match_forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        if not initial and "resourceVersionMatch" in query:
            raise _match_forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        seconds = number(query, "timeoutSeconds") or WATCH_SECONDS
        everything = is_true(query, "sendInitialEvents") if initial else since is None
        return cls(None if everything else since or now, everything, is_true(query, "allowWatchBookmarks"), seconds)


def _match_forbidden(why: str) -> status.ApiRefusal:
    return status.invalid_options("ListOptions", "resourceVersionMatch", f"Forbidden: {why}")


class Watch(AsyncIterator[bytes]):
    """The lines of a watch until its time is up, or a single one with the refusal if its past is forgotten. Close it in the end."""

    def __init__(self, collection: Collection, wanted: Selector, options: WatchOptions) -> None:
        self._collection = collection
        self._bookmarks = options.bookmarks
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + options.seconds
        self._stack = ExitStack()
        self._watcher: Watcher | None = None
        try:
            self._watcher = self._stack.enter_context(collection.watch(wanted, options.since))
            self._due = deque(self._first_lines(self._watcher, options))
        except status.ApiRefusal as refusal:
            self._due = deque([wire.error(refusal)])

    def close(self) -> None:
        """End the subscription."""
        self._watcher = None
        self._stack.close()

    async def __anext__(self) -> bytes:
        """Wait for the next line."""
        if self._due:
            return self._due.popleft()
        line = await self._next(self._watcher) if self._watcher is not None else None
        if line is None:
            raise StopAsyncIteration
        return line

    def _first_lines(self, watcher: Watcher, options: WatchOptions) -> Iterator[bytes]:
        for event in watcher.begin:
            yield wire.change(self._collection.resource, event)
        if options.initial and options.bookmarks:
            yield wire.bookmark(self._collection.resource, watcher.revision, initial_events_end=True)

    async def _next(self, watcher: Watcher) -> bytes | None:
        last = self._end - LAST_BOOKMARK_SECONDS
        while (now := self._loop.time()) < self._end:
            until_bookmark = min(BOOKMARK_SECONDS, last - now) if now < last else self._end - now
            try:
                async with asyncio.timeout(until_bookmark):
                    event = await watcher.changes.get()
            except TimeoutError:
                if self._bookmarks and now < last and watcher.changes.empty():  # NB: a bookmark says that all before it was sent
                    return wire.bookmark(self._collection.resource, self._collection.revision.current)
                continue
            return None if event is None else wire.change(self._collection.resource, event)
        return None

"""All objects of one kind on an API server: read in pages, and followed by a watch.

Contract: the pages of one list are of one moment. A watch goes on without end and without gaps, and connects again by itself, until
the changes since then are no longer known. Only those fields of an object that its Struct names are decoded.

Not kept here: any object, and its meaning.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from mooring.errors import KubernetesUnavailable, MooringError
from mooring.kubernetes.api import Gone, KubernetesApi, NotFound, Refused, Request, Status
from mooring.kubernetes.metadata import Metadata
from mooring.process.backoff import pauses

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 5.0
PAGE_SIZE: Final = 500

logger = logging.getLogger(__name__)


class Object(Protocol):
    """An element of a collection."""

    @property
    def metadata(self) -> Metadata:
        """The object's name, and the version of its state."""


T = TypeVar("T", bound=Object)
T_co = TypeVar("T_co", bound=Object, covariant=True)
D = TypeVar("D")
D_co = TypeVar("D_co", covariant=True)


class Decoder(Protocol[D_co]):
    """A reader of the body of an answer."""

    def decode(self, body: bytes, /) -> D_co:
        """Decode the body; raise msgspec.DecodeError if it is something else."""


class ListMetadata(msgspec.Struct, rename={"resource_version": "resourceVersion", "next": "continue"}):
    """The position in a list; `next` is the token of the next page, "" on the last."""

    resource_version: str = ""
    next: str = ""


class ListPage(Protocol[T_co]):
    """One page of a list."""

    @property
    def metadata(self) -> ListMetadata:
        """The position in the list."""

    @property
    def items(self) -> Iterable[T_co]:
        """The objects, to be iterated once: they may be decoded on the way."""


class Listed(msgspec.Struct, Generic[T]):
    """One page of a list, in JSON."""

    metadata: ListMetadata
    items: list[T]


class WatchEvent(msgspec.Struct, Generic[T]):
    """One line of a watch. The object of a line of type ERROR is a `Status` instead (`WatchFailure`)."""

    type: str
    object: T


class WatchFailure(msgspec.Struct):
    """The line with which the server ends a watch that can't go on."""

    object: Status


WATCH_FAILURE: Final = msgspec.json.Decoder(WatchFailure)


@dataclass(frozen=True, slots=True)
class ResourceKind(Generic[T]):
    """A kind of object: its plural for people, its path, and its decoders.

    `compact`: lists are asked for in protobuf, which `listed` reads as well as JSON.
    """

    plural: str
    path: str
    listed: Decoder[ListPage[T]]
    event: Decoder[WatchEvent[T]]
    compact: bool = False


def log_interruption(said: str) -> None:
    """Log that a watch has lost its connection."""
    logger.warning(said)


class ListWatch(Generic[T]):
    """The objects of one kind; durations are in seconds. `reconnected` is called whenever the watch is connected again.

    `interrupted` is given a sentence whenever its connection was lost.
    A watch is connected again after `watch_time`, or `watch_silence` without a line; a server sends a bookmark each minute or so.
    """

    def __init__(
        self,
        api: KubernetesApi,
        kind: ResourceKind[T],
        reconnected: Callable[[], None],
        *,
        watch_time: float = 300,
        watch_silence: float = 150,
        interrupted: Callable[[str], None] = log_interruption,
    ) -> None:
        self.kind = kind
        self._api = api
        self._reconnected = reconnected
        self._watch_time = watch_time
        self._watch_silence = watch_silence
        self._interrupted = interrupted

    async def pages(
        self, what: str, page_size: int, selector: Mapping[str, str] | None = None
    ) -> AsyncGenerator[tuple[ListPage[T], bool]]:
        """Yield the pages of one list, each with whether it is the first: a list that had to begin again has several first ones.

        Each page is requested while the one before it is used.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

        """
        query = {"limit": str(page_size), **(selector or {})}
        token = ""
        coming: asyncio.Task[ListPage[T]] | None = self._begin_page(what, query)
        try:
            while coming is not None:
                try:
                    listed = await coming
                except Gone as gone:
                    if not token:
                        raise KubernetesUnavailable(str(gone)) from None
                    token, coming = "", self._begin_page(what, query)
                    continue
                first, token = not token, listed.metadata.next
                coming = self._begin_page(what, query | {"continue": token}) if token else None
                yield listed, first
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    def _begin_page(self, what: str, query: dict[str, str]) -> asyncio.Task[ListPage[T]]:
        return asyncio.create_task(self._page(what, query), name=f"page of {self.kind.plural}")

    async def _page(self, what: str, query: dict[str, str]) -> ListPage[T]:
        request = Request(what, "GET", self.kind.path, query, compact=self.kind.compact)
        return decode(self.kind.listed, request, await self._api.request(request))

    async def watch(self, resource_version: str) -> AsyncGenerator[WatchEvent[T] | None]:
        """Yield the events after a list's `resource_version`, bookmarks included, and None whenever a connection is made.

        Raises:
            Gone: the events since then are no longer known.

        """
        since = resource_version
        waits = pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                async with aclosing(self._connection(since)) as events:
                    async for event in events:
                        if event is not None and event.object.metadata.resource_version != since:
                            since, waits = event.object.metadata.resource_version, pauses(FIRST_PAUSE, LONGEST_PAUSE)
                        yield event
            except (Gone, NotFound, Refused, MooringError) as error:
                if isinstance(error, Gone):
                    raise
                self._interrupted(f"The watch of {self.kind.plural} is connected again: {error}")
            await asyncio.sleep(next(waits))
            self._reconnected()

    async def _connection(self, since: str) -> AsyncGenerator[WatchEvent[T] | None]:
        """Yield None once one request for a watch is answered, then its events."""
        until = {"timeoutSeconds": str(round(self._watch_time))}
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": since, **until}
        request = Request(f"watch {self.kind.plural}", "GET", self.kind.path, query)
        async with self._api.lines(request, silence=self._watch_silence, total=self._watch_time + self._watch_silence) as lines:
            yield None
            async for line in lines:
                event = decode(self.kind.event, request, line)
                if event.type == "ERROR":
                    raise self._api.error(request, decode(WATCH_FAILURE, request, line).object)
                yield event


async def list_all(
    api: KubernetesApi,
    kind: ResourceKind[T],
    keep: Callable[[T], bool] = lambda _: True,
    selector: Mapping[str, str] | None = None,
) -> list[T]:
    """Return the objects of one list that `keep` selects, without following them; raise as `ListWatch.pages` does."""
    found: list[T] = []
    pages = ListWatch(api, kind, lambda: None).pages(f"list {kind.plural}", PAGE_SIZE, selector)
    async with aclosing(pages) as listed:
        async for page, first in listed:
            found = [] if first else found
            found += filter(keep, page.items)
            await asyncio.sleep(0)
    return found


def decode(decoder: Decoder[D], request: Request, body: bytes) -> D:
    """Decode the body of an answer; raise KubernetesUnavailable if it is something else."""
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise KubernetesUnavailable(f"Could not {request.what}: the API server's answer can't be decoded ({error}).") from None

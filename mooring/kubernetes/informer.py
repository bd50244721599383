"""The objects of one collection, as values in memory: filled by a list, kept current by a watch.

Contract: the values may lag. If a watch can't go on, the objects are listed again, and the old values remain meanwhile; all changes
in between are reported as one.

Not kept here: the meaning of the objects (mooring/cluster/).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Generic, TypeVar

from mooring.errors import MooringError
from mooring.kubernetes.api import Gone
from mooring.kubernetes.list_watch import FIRST_PAUSE, LONGEST_PAUSE, PAGE_SIZE, ListWatch, T
from mooring.process.backoff import pauses
from mooring.process.repeats import RepeatedWarning

V = TypeVar("V")

logger = logging.getLogger(__name__)


class Informer(Generic[T, V]):
    """Map of an object's name to the value that `read` makes of it; objects for which that is None are omitted.

    `changed` receives the new values by name, None for objects that are gone. `without`: the way to do without the objects, for
    log messages.
    """

    def __init__(
        self,
        objects: ListWatch[T],
        read: Callable[[T], V | None],
        changed: Callable[[Mapping[str, V | None]], None],
        without: str,
    ) -> None:
        self.named: dict[str, V] = {}
        self.missing = [f"The {objects.kind.plural} have not been listed yet."]
        """Reasons why the objects are not known yet, in words; empty once they are."""
        self._objects = objects
        self._read = read
        self._changed = changed
        self._without = without
        self._filled = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Fill the map and keep it current while the block lasts."""
        task = asyncio.create_task(self._follow(), name=f"watch of {self._objects.kind.plural}")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def wait_until_synced(self) -> None:
        """Wait until the objects have been listed."""
        await self._filled.wait()

    async def list(self, what: str, query: Mapping[str, str]) -> tuple[dict[str, V], str]:
        """List the objects now, and return their values and the resource version of the list.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

        """
        found: dict[str, V] = {}
        version = ""
        async with aclosing(self._objects.pages(what, PAGE_SIZE, query)) as pages:
            async for listed, first in pages:
                found = {} if first else found
                found.update(self._read_all(listed.items))
                version = listed.metadata.resource_version
                await asyncio.sleep(0)
        return found, version

    def _read_all(self, objects: Iterable[T]) -> Iterable[tuple[str, V]]:
        read = ((each.metadata.name, self._read(each)) for each in objects)
        return ((name, said) for name, said in read if said is not None)

    async def _follow(self) -> None:
        plural = self._objects.kind.plural
        repeated = RepeatedWarning(logger)
        for pause in pauses(FIRST_PAUSE, LONGEST_PAUSE):
            try:
                version = await self._fill()
                repeated.over()
                await self._watch(version)
            except Gone as gone:
                logger.warning("The %s are listed again: %s", plural, gone)
            except MooringError as error:
                self.missing = [] if self._filled.is_set() else [f"{error} {self._without} turns this off."]
                repeated.warn(f"The {plural} can't be listed; trying again: {error}")
            except Exception:
                logger.exception("The watch of %s failed; they are listed again.", plural)
            await asyncio.sleep(pause)

    async def _fill(self) -> str:
        """Replace the values by those of a list, in one step, and return its resource version."""
        before = self.named
        self.named, version = await self.list(f"list {self._objects.kind.plural}", {})
        self.missing = []
        self._changed({name: self.named.get(name) for name in {**before, **self.named} if before.get(name) != self.named.get(name)})
        self._filled.set()
        return version

    async def _watch(self, version: str) -> None:
        async with aclosing(self._objects.watch(version)) as events:
            async for event in events:
                if event is not None and event.type != "BOOKMARK":
                    self._take_in(event.object.metadata.name, None if event.type == "DELETED" else self._read(event.object))

    def _take_in(self, name: str, said: V | None) -> None:
        if self.named.get(name) == said:
            return  # most of what happens to an object changes nothing that is read of it
        if said is None:
            del self.named[name]
        else:
            self.named[name] = said
        self._changed({name: said})

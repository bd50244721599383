"""Which node ids there are, and how many volumes each may hold: an index of the cluster's CSINodes, or of its Nodes.

Contract: `find` answers from memory, which a list fills and a watch keeps current; it may lag, so that what it does not know is
looked for with `look`, live, before anybody is refused. A watch that can't go on lists anew, and what was known stays meanwhile.

Not kept here: the objects' form (node_kinds.py), what a node holds (manager.py), and whom to refuse (admission.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, Generic, Protocol

from mooring.backoff import pauses
from mooring.collection import FIRST_PAUSE, LONGEST_PAUSE, Collection, T
from mooring.errors import MooringError
from mooring.views import HistoryGone

PAGE_SIZE: Final = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Node:
    """A node id that there is. `limit`: how many volumes of the driver the node may hold; None where nobody says."""

    node_id: str
    limit: int | None = None


class Nodes(Protocol):
    """The node ids of one driver."""

    @property
    def absence(self) -> str:
        """Why an unknown node id is none, as a clause: "there is no Node of this name"."""

    @property
    def missing(self) -> list[str]:
        """What keeps `find` from knowing anything yet, in words; empty once it does."""

    def find(self, node_id: str) -> Node | None:
        """What memory knows."""

    async def look(self, node_id: str) -> Node | None:
        """What the API server knows.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server did not say.

        """

    def following(self) -> AbstractAsyncContextManager[None]:
        """Have memory filled and kept current while the block lasts."""

    async def filled(self) -> None:
        """Wait until memory has been filled."""


class AnyNode:
    """Every node id is one, and none has a limit: nothing is checked."""

    absence = ""
    missing: Final[list[str]] = []

    def find(self, node_id: str) -> Node | None:
        """See `Nodes`."""
        return Node(node_id)

    async def look(self, node_id: str) -> Node | None:
        """See `Nodes`."""
        return Node(node_id)

    def following(self) -> AbstractAsyncContextManager[None]:
        """See `Nodes`; there is nothing to follow."""
        return nullcontext()

    async def filled(self) -> None:
        """See `Nodes`."""


class ClusterNodes(Generic[T]):
    """The node ids that the objects of one collection give: `read` says which one, if any.

    `select` gives the query by which to look for one node id, or None where no object can have it.
    """

    def __init__(
        self,
        objects: Collection[T],
        read: Callable[[T], Node | None],
        select: Callable[[str], dict[str, str] | None],
        absence: str,
    ) -> None:
        self.absence = absence
        self.missing = [f"The {objects.kind.plural} have not been listed yet."]
        self._objects = objects
        self._read = read
        self._select = select
        self._filled = asyncio.Event()
        self._named: dict[str, Node] = {}
        """Name of the object -> what it says."""
        self._by_id: dict[str, Node] = {}

    def find(self, node_id: str) -> Node | None:
        """See `Nodes`."""
        return self._by_id.get(node_id)

    async def look(self, node_id: str) -> Node | None:
        """See `Nodes`."""
        query = self._select(node_id)
        if query is None:
            return None
        found, _ = await self._list(f"look for node {node_id} among the {self._objects.kind.plural}", query)
        return next((node for node in found.values() if node.node_id == node_id), None)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """See `Nodes`."""
        task = asyncio.create_task(self._follow(), name=f"watch of {self._objects.kind.plural}")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def filled(self) -> None:
        """See `Nodes`."""
        await self._filled.wait()

    async def _follow(self) -> None:
        for pause in pauses(FIRST_PAUSE, LONGEST_PAUSE):
            try:
                await self._watch(await self._fill())
            except HistoryGone as gone:
                logger.warning("The %s are listed anew: %s", self._objects.kind.plural, gone)
            except MooringError as error:
                self.missing = [] if self._filled.is_set() else [f"{error} MOORING_NODE_CHECK=off does without."]
                logger.warning("The %s can't be listed, and it is tried again: %s", self._objects.kind.plural, error)
            except Exception:
                logger.exception("The watch of %s failed; they are listed anew.", self._objects.kind.plural)
            await asyncio.sleep(pause)

    async def _fill(self) -> str:
        """Replace what is known in one step; the resource version that it is as of."""
        self._named, version = await self._list(f"list {self._objects.kind.plural}", {})
        self._arrange()
        self.missing = []
        self._filled.set()
        return version

    async def _list(self, what: str, query: dict[str, str]) -> tuple[dict[str, Node], str]:
        found: dict[str, Node] = {}
        version = ""
        async with aclosing(self._objects.pages(what, PAGE_SIZE, query)) as pages:
            async for listed, first in pages:
                found = {} if first else found
                found.update(self._read_all(listed.items))
                version = listed.metadata.resource_version
                await asyncio.sleep(0)
        return found, version

    def _read_all(self, objects: Iterable[T]) -> Iterable[tuple[str, Node]]:
        read = ((each.metadata.name, self._read(each)) for each in objects)
        return ((name, node) for name, node in read if node is not None)

    async def _watch(self, version: str) -> None:
        async with aclosing(self._objects.watch(version)) as events:
            async for event in events:
                if event is not None and event.type != "BOOKMARK":
                    self._take_in(event.object.metadata.name, None if event.type == "DELETED" else self._read(event.object))

    def _take_in(self, name: str, node: Node | None) -> None:
        if self._named.get(name) == node:
            return  # most of what happens to a Node changes neither its name nor its id
        if node is None:
            del self._named[name]
        else:
            self._named[name] = node
        self._arrange()

    def _arrange(self) -> None:
        self._by_id = {node.node_id: node for node in self._named.values()}

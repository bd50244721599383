"""The existing node ids, and the number of volumes that each may hold: an index of the cluster's CSINodes, or of its Nodes.

Contract: `find` answers from memory, which a list fills and a watch keeps current; it may lag, so a node that it does not know is
looked for with `look`, live, before it is refused. If a watch can't go on, all are listed again, and the old values remain
meanwhile. Several Nodes may go by one id.

Not kept here: the objects' form (mooring/kubernetes/node_objects.py), the volumes on a node (mooring/index/manager.py), and
refusals (node_check.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Generic, Protocol

from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.informer import Informer
from mooring.kubernetes.list_watch import ListWatch, T, list_all
from mooring.kubernetes.node_objects import CSI_NODES, NODE_NAME, NODES, CsiNode, PlainNode
from mooring.process.single_flight import SingleFlight

MAX_GONE: Final = 1000
"""Number of deleted objects that are remembered by name."""


@dataclass(frozen=True, slots=True)
class Node:
    """An existing node id.

    `limit`: the number of volumes of the driver that the node may hold, None if unknown. `name`: the Node's, "" if unknown.
    """

    node_id: str
    limit: int | None = None
    name: str = ""


class Nodes(Protocol):
    """The node ids of one driver."""

    @property
    def absence(self) -> str:
        """The reason why an unknown node id is none, as a clause: "there is no Node with this name"."""

    @property
    def not_synced(self) -> list[str]:
        """The reasons why `find` knows nothing yet, in words; empty once it does."""

    def find(self, node_id: str) -> Node | None:
        """Return the node as memory knows it, or None if it doesn't."""

    def named(self, name: str) -> Node | None:
        """Return the node with this name as memory knows it, or last knew it before it was gone."""

    async def look(self, node_id: str) -> Node | None:
        """Read the node from the API server, or return None if it has none.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

        """

    def names(self, node_id: str) -> list[str]:
        """Return the names of the Nodes that memory knows, or last knew, by this node id."""

    async def registered(self) -> Mapping[str, Node]:
        """Read every node from the API server, by its name; raise as `look` does."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Have memory filled and kept current while the block lasts."""

    async def wait_until_synced(self) -> None:
        """Wait until memory has been filled."""


class AnyNode:
    """The node ids without a check: every one exists, and none has a limit."""

    absence = ""
    not_synced: Final[list[str]] = []

    def find(self, node_id: str) -> Node | None:
        """See `Nodes`."""
        return Node(node_id)

    def named(self, name: str) -> Node | None:  # noqa: ARG002 - names are nothing to it
        """See `Nodes`."""
        return None

    async def look(self, node_id: str) -> Node | None:
        """See `Nodes`."""
        return Node(node_id)

    def names(self, node_id: str) -> list[str]:  # noqa: ARG002 - names are nothing to it
        """See `Nodes`."""
        return []

    async def registered(self) -> Mapping[str, Node]:
        """See `Nodes`."""
        return {}

    def running(self) -> AbstractAsyncContextManager[None]:
        """See `Nodes`; there is nothing to follow."""
        return nullcontext()

    async def wait_until_synced(self) -> None:
        """See `Nodes`."""


class ClusterNodes(Generic[T]):
    """The node ids that the objects of one collection give: `read` says which one, if any.

    `select` gives the query by which to look for one node id, or None if no object can have it.
    """

    def __init__(
        self,
        objects: ListWatch[T],
        read: Callable[[T], Node | None],
        select: Callable[[str], dict[str, str] | None],
        absence: str,
    ) -> None:
        self.absence = absence
        self._plural = objects.kind.plural
        self._informer = Informer(objects, read, self._take_in, "MOORING_NODE_CHECK=off")
        self._select = select
        self._registered = SingleFlight(self._list)
        self._by_name: dict[str, Node] = {}
        self._by_id: dict[str, Node] = {}
        self._left: dict[str, Node] = {}
        """Name -> what an object said that has lately gone."""

    @property
    def not_synced(self) -> list[str]:
        """See `Nodes`."""
        return self._informer.missing

    def find(self, node_id: str) -> Node | None:
        """See `Nodes`."""
        return self._by_id.get(node_id)

    def named(self, name: str) -> Node | None:
        """See `Nodes`."""
        return self._informer.named.get(name) or self._left.get(name)

    async def look(self, node_id: str) -> Node | None:
        """See `Nodes`."""
        query = self._select(node_id)
        if query is None:
            return None
        found, _ = await self._informer.list(f"look for node {node_id} among the {self._plural}", query)
        return _by_id(found.values()).get(node_id)

    def names(self, node_id: str) -> list[str]:
        """See `Nodes`."""
        known = (*self._by_name.values(), *self._left.values())
        return list(dict.fromkeys(node.name for node in known if node.node_id == node_id))

    async def registered(self) -> Mapping[str, Node]:
        """See `Nodes`."""
        return await self._registered.ask()

    def running(self) -> AbstractAsyncContextManager[None]:
        """See `Nodes`."""
        return self._informer.running()

    async def wait_until_synced(self) -> None:
        """See `Nodes`."""
        await self._informer.wait_until_synced()

    async def _list(self) -> Mapping[str, Node]:
        return (await self._informer.list(f"look at the {self._plural}", {}))[0]

    def _take_in(self, changes: Mapping[str, Node | None]) -> None:
        for name, node in changes.items():
            if node is None and name in self._by_name:
                self._left[name] = self._by_name[name]
        for name in list(self._left)[:-MAX_GONE]:
            del self._left[name]
        self._by_name = dict(self._informer.named)
        self._by_id = _by_id(self._by_name.values())


def _by_id(nodes: Iterable[Node]) -> dict[str, Node]:
    """Return the Node of each id; of several the one with the most room, so that none is refused what the driver may allow."""
    found: dict[str, Node] = {}
    for node in nodes:
        known = found.get(node.node_id)
        if known is None or _room(node) > _room(known):
            found[node.node_id] = node
    return found


def _room(node: Node) -> float:
    return inf if node.limit is None else node.limit


def csi_nodes(api: KubernetesApi, driver: str, reconnected: Callable[[], None], **bounds: Any) -> Nodes:
    """Return the node ids and limits by the CSINodes of the driver; `reconnected` and `bounds` are those of `ListWatch`."""

    def read(node: CsiNode) -> Node | None:
        own = node.registration(driver)
        return None if own is None else Node(own.node_id, own.limit, node.metadata.name)

    objects = ListWatch(api, CSI_NODES, reconnected, **bounds)
    return ClusterNodes(objects, read, lambda _: {}, f"no CSINode has this node id for driver {driver}")


def plain_nodes(api: KubernetesApi, reconnected: Callable[[], None], **bounds: Any) -> Nodes:
    """Return the names of the Nodes as node ids, without limits; `reconnected` and `bounds` are those of `ListWatch`."""

    def select(node_id: str) -> dict[str, str] | None:
        return {"fieldSelector": f"metadata.name={node_id}"} if NODE_NAME.fullmatch(node_id) else None

    def read(node: PlainNode) -> Node:
        return Node(node.metadata.name, name=node.metadata.name)

    objects = ListWatch(api, NODES, reconnected, **bounds)
    return ClusterNodes(objects, read, select, "there is no Node with this name")


async def read_node_ids(api: KubernetesApi, driver: str) -> dict[str, str]:
    """Map the name of each Node to the driver's id for it, by the CSINodes as they are now.

    Raises:
        KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

    """
    nodes = await list_all(api, CSI_NODES, lambda node: node.spec.drivers is not None)
    own = ((node.metadata.name, node.registration(driver)) for node in nodes)
    return {name: each.node_id for name, each in own if each is not None}

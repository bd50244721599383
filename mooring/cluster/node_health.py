"""The health of one node in the cluster, dead or alive: its Node objects, by the names that go with a node id.

Contract: the state of the Nodes is live. Several Nodes may go by one node id, and one of them may be known by nothing but a
VolumeAttachment: all are looked at, and the node is gone, or out of service, only if each of them is. A node id whose name
is unknown is neither here nor gone, nor is any if VolumeAttachments can't be asked. A Node that goes by another node id now
says nothing of this one: it counts as here, and as healthy.

Not kept here: the duration of a Node's absence, and the consequences (workflows/evacuate.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Collection as Some
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from mooring.cluster.node_ids import Node, Nodes
from mooring.cluster.volume_attachments import VolumeAttachments
from mooring.errors import KubernetesForbidden
from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.informer import Informer
from mooring.kubernetes.list_watch import PAGE_SIZE, ListWatch
from mooring.kubernetes.node_objects import NODE_NAME, NODES, OUT_OF_SERVICE, PlainNode
from mooring.models.evacuation import Presence
from mooring.process.at_once import ask_each
from mooring.process.single_flight import SingleFlight

NodeChanges = Mapping[str, bool | None]
"""Name of a Node -> whether it is out of service; None where it has gone."""

MAX_CONCURRENT: Final = 8
MAX_NAMED: Final = 5
"""Nodes of one id that are named in full, where very many go by it."""


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """The finding of a look: `words` say it as a clause that names the Nodes.

    `name` is the Node's, "" if unknown; of the `names` of several it is the one that keeps the node alive. `presence` is GONE if
    all are gone or out of service, `out_of_service` is true if all exist and are that. `ready`: some kubelet is healthy.
    """

    name: str
    presence: Presence
    words: str
    out_of_service: bool = False
    ready: bool = False
    names: tuple[str, ...] = ()


class NodeHealthReader(Protocol):
    """The nodes of one driver."""

    async def read(self, node_id: str, names: Some[str]) -> NodeHealth:
        """Look at the node; `names` are those of its Nodes when they were last seen.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

        """

    def watching(self, changed: Callable[[NodeChanges], None]) -> AbstractAsyncContextManager[None]:
        """Report every Node that appears, goes, or gets or loses the taint, while the block lasts; first all existing ones."""


class NoNodeHealth:
    """The nodes without Kubernetes: the state of every node is unknown."""

    async def read(self, node_id: str, names: Some[str]) -> NodeHealth:
        """See `NodeHealthReader`."""
        return NodeHealth(next(iter(names), ""), Presence.UNKNOWN, f"without Kubernetes the state of node {node_id} is unknown")

    def watching(self, changed: Callable[[NodeChanges], None]) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - there are none
        """See `NodeHealthReader`."""
        return nullcontext()


class ClusterNodeHealth:
    """The nodes of one driver in a cluster.

    `nodes` says which Node goes by a node id; if it doesn't, `attached` may. `named_by_id`: node ids are the names of Nodes.
    """

    def __init__(
        self, api: KubernetesApi, nodes: Nodes, attached: VolumeAttachments, reconnected: Callable[[], None], *, named_by_id: bool
    ) -> None:
        self._objects: Final = ListWatch(api, NODES, reconnected)
        self._nodes = nodes
        self._noted = SingleFlight(attached.noted)
        self._named_by_id = named_by_id

    async def read(self, node_id: str, names: Some[str]) -> NodeHealth:
        """See `NodeHealthReader`."""
        registered = {} if self._named_by_id else await self._nodes.registered()
        try:
            known = self._known(node_id, names, registered) | await self._named_elsewhere(node_id)
        except KubernetesForbidden as error:
            return NodeHealth(
                next(iter(names), ""), Presence.UNKNOWN, f"the Nodes with the CSI node id {node_id} could not be looked up: {error}"
            )
        if not known:
            return NodeHealth("", Presence.UNKNOWN, f"no Node is known to have the CSI node id {node_id}")

        async def sight(name: str) -> _NodeFound:
            return self._judge(name, node_id, await self._find(name), registered)

        return _combined(await ask_each(sight, known, MAX_CONCURRENT))

    def watching(self, changed: Callable[[NodeChanges], None]) -> AbstractAsyncContextManager[None]:
        """See `NodeHealthReader`."""

        def out_of_service(node: PlainNode) -> bool | None:
            return node.out_of_service

        return Informer(self._objects, out_of_service, changed, "MOORING_EVACUATE=off").running()

    def _known(self, node_id: str, names: Some[str], registered: Mapping[str, Node]) -> set[str]:
        """Return all names that the caller, the live registrations or memory give."""
        if self._named_by_id:
            return {node_id} if NODE_NAME.fullmatch(node_id) else set()
        live = {name for name, node in registered.items() if node.node_id == node_id}
        return {name for name in {*names, *live, *self._nodes.names(node_id)} if NODE_NAME.fullmatch(name)}

    async def _named_elsewhere(self, node_id: str) -> set[str]:
        """Return the names that external-attacher has noted of the node."""
        noted = {} if self._named_by_id else await self._noted.ask()
        return {name for name in noted.get(node_id, ()) if NODE_NAME.fullmatch(name)}

    def _judge(self, name: str, node_id: str, node: PlainNode | None, registered: Mapping[str, Node]) -> _NodeFound:
        other = registered.get(name) or self._nodes.named(name)
        if node is None:
            return _NodeFound(_NodeState.GONE, name, f"there is no Node {name}")
        if other is not None and other.node_id != node_id:
            return _NodeFound(_NodeState.ALIVE, name, f"Node {name} exists, and its CSI node id is {other.node_id} now")
        if node.out_of_service:
            return _NodeFound(_NodeState.OUT, name, f"Node {name} has the taint {OUT_OF_SERVICE}")
        words = f"Node {name} exists and is {'Ready' if node.ready else 'not Ready'}"
        return _NodeFound(_NodeState.ALIVE, name, words, ready=node.ready)

    async def _find(self, name: str) -> PlainNode | None:
        query = {"fieldSelector": f"metadata.name={name}"}
        async with aclosing(self._objects.pages(f"look at Node {name}", PAGE_SIZE, query)) as pages:
            async for listed, _ in pages:
                for node in listed.items:
                    return node
        return None


class _NodeState(IntEnum):
    """State of a Node; of several the least counts."""

    ALIVE = 0
    OUT = 1
    GONE = 2


@dataclass(frozen=True, slots=True, order=True)
class _NodeFound:
    """One Node of the id."""

    state: _NodeState
    name: str
    words: str
    ready: bool = False


def _combined(sights: Iterable[_NodeFound]) -> NodeHealth:
    """Combine several Nodes of one id: dead only if each of them is."""
    found = sorted(sights)
    first, last = found[0], found[-1]
    alive = first.state is _NodeState.ALIVE
    return NodeHealth(
        name=first.name,
        presence=Presence.GONE if not alive and last.state is _NodeState.GONE else Presence.HERE,
        words=_words(found),
        out_of_service=not alive and last.state is _NodeState.OUT,
        ready=any(each.ready for each in found),
        names=tuple(each.name for each in found),
    )


def _words(found: list[_NodeFound]) -> str:
    beyond = [f"{len(found) - MAX_NAMED} more Nodes have this id"] if len(found) > MAX_NAMED else []
    return ", and ".join([*(each.words for each in found[:MAX_NAMED]), *beyond])

"""What the cluster says of one node, dead or alive: its Node object, by the name that goes with a node id.

Contract: what is said of the Node is live. A node id whose name nobody knows is neither here nor gone. A Node that goes by another
node id now says nothing of this one: it counts as here, and as well.

Not kept here: how long a Node has been gone, and what follows (workflows/evacuate.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from typing import Final, Protocol

from mooring.apiserver import KubernetesApi
from mooring.collection import Collection
from mooring.evacuation.models import Presence
from mooring.mirror import PAGE_SIZE, Mirror
from mooring.nodes.ids import Nodes
from mooring.nodes.kinds import NODE_NAME, NODES, OUT_OF_SERVICE, PlainNode
from mooring.volume_attachments import VolumeAttachments

Fates = Mapping[str, bool | None]
"""Name of a Node -> whether it is out of service; None where it has gone."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a look found. `name` is "" where nobody knows it; `words` say it as a clause. `ready`: its kubelet is well."""

    name: str
    presence: Presence
    words: str
    out_of_service: bool = False
    ready: bool = False


class Machines(Protocol):
    """The nodes of one driver."""

    async def look(self, node_id: str, name: str) -> Machine:
        """What there is of the node; `name` is what its Node was called when it was last seen, "" where that is not known.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server did not say.

        """

    def following(self, changed: Callable[[Fates], None]) -> AbstractAsyncContextManager[None]:
        """Tell of every Node that comes, goes, or gets or loses the taint, while the block lasts; first of all that there are."""


class NoMachines:
    """Where there is no Kubernetes, nobody says what has become of a node."""

    async def look(self, node_id: str, name: str) -> Machine:
        """See `Machines`."""
        return Machine(name, Presence.UNKNOWN, f"without Kubernetes nothing says what has become of node {node_id}")

    def following(self, changed: Callable[[Fates], None]) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - there are none
        """See `Machines`."""
        return nullcontext()


class ClusterMachines:
    """The nodes of one driver in a cluster.

    `nodes` says which Node goes by a node id; where it doesn't, `attached` may. `named_by_id`: node ids are the names of Nodes.
    """

    def __init__(
        self, api: KubernetesApi, nodes: Nodes, attached: VolumeAttachments, reconnected: Callable[[], None], *, named_by_id: bool
    ) -> None:
        self._objects: Final = Collection(api, NODES, reconnected)
        self._nodes = nodes
        self._attached = attached
        self._named_by_id = named_by_id

    async def look(self, node_id: str, name: str) -> Machine:
        """See `Machines`."""
        name = await self._name(node_id) or name or await self._noted(node_id)
        if not NODE_NAME.fullmatch(name):
            return Machine("", Presence.UNKNOWN, f"nothing says which Node the driver calls {node_id}")
        node = await self._find(name)
        if node is None:
            name = await self._moved(node_id) or name
            node = await self._find(name)
        if node is None:
            return Machine(name, Presence.GONE, f"there is no Node {name}")
        other = await self._nodes.look_by_name(name) or self._nodes.named(name)
        if other is not None and other.node_id != node_id:
            return Machine(name, Presence.HERE, f"Node {name} is there, and the driver calls it {other.node_id} now")
        if node.out_of_service:
            return Machine(name, Presence.HERE, f"Node {name} bears the taint {OUT_OF_SERVICE}", out_of_service=True)
        words = f"Node {name} is there and {'Ready' if node.ready else 'not Ready'}"
        return Machine(name, Presence.HERE, words, ready=node.ready)

    def following(self, changed: Callable[[Fates], None]) -> AbstractAsyncContextManager[None]:
        """See `Machines`."""

        def out_of_service(node: PlainNode) -> bool | None:
            return node.out_of_service

        return Mirror(self._objects, out_of_service, changed, "MOORING_EVACUATE=off").following()

    async def _name(self, node_id: str) -> str:
        """What the node's registration calls its Node."""
        if self._named_by_id:
            return node_id
        known = self._nodes.find(node_id) or await self._nodes.look(node_id)
        return known.name if known else ""

    async def _moved(self, node_id: str) -> str:
        """What the node is called now, where it is: what memory calls it may be a name that it had."""
        if self._named_by_id or self._nodes.find(node_id) is None:
            return ""
        known = await self._nodes.look(node_id)
        return known.name if known else ""

    async def _noted(self, node_id: str) -> str:
        """What external-attacher has noted of the node on a VolumeAttachment."""
        return next((each.node for each in await self._attached.attached() if each.node_id == node_id), "")

    async def _find(self, name: str) -> PlainNode | None:
        query = {"fieldSelector": f"metadata.name={name}"}
        async with aclosing(self._objects.pages(f"look at Node {name}", PAGE_SIZE, query)) as pages:
            async for listed, _ in pages:
                for node in listed.items:
                    return node
        return None

"""The status of Nodes, read for the few that matter: are they alive, and which volumes do they have and use?

Contract: a node id is looked for in the CSINodes, by the driver's name, so that nothing is concluded from a node of another name.
Of an id that several nodes go by, nothing is said.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Set
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from mooring.errors import KubernetesForbidden
from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.list_watch import Event, Listed, ResourceKind, T, list_all
from mooring.kubernetes.node_objects import CSI_NODES, NODE_NAME, NodeStatus, PlainNode
from mooring.process.at_once import ask_each
from mooring.process.kept_answers import KeptAnswers

MAX_CONCURRENT: Final = 8
KEEP_SECONDS: Final = 5.0
"""Seconds for which it is known what a Node has: its status lags by more."""
PAGE_SIZE: Final = 500


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """The status of a Node. `in_use`: the unique names of the volumes that its kubelet uses."""

    ready: bool
    out_of_service: bool
    in_use: Set[str]


class AttachedVolume(msgspec.Struct):
    """A volume that Kubernetes' attach-detach controller has attached to a Node, by the name that kubelet has for it."""

    name: str = ""


class Status(NodeStatus, rename="camel"):
    """The part of a Node's status that matters here."""

    volumes_in_use: list[str] | None = None
    volumes_attached: list[AttachedVolume] | None = None


class UsingNode(PlainNode):
    """A Node, with the volumes that its kubelet uses."""

    status: Status = msgspec.field(default_factory=Status)


NODES: Final = ResourceKind(
    "Nodes", "/api/v1/nodes", msgspec.json.Decoder(Listed[UsingNode]), msgspec.json.Decoder(Event[UsingNode])
)


class NodeUsageReader(Protocol):
    """The status of one driver's Nodes."""

    async def read(self, node_ids: Collection[str]) -> dict[str, NodeUsage]:
        """Return the status of each of these nodes, without those that the cluster doesn't know.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

        """

    async def having(self, handle: str, names: Collection[str]) -> set[str]:
        """Return those of the Nodes of these names that say that the volume is attached to them, or said so some seconds ago.

        Raises as `ask` does.
        """


class NoNodeUsage:
    """The status of Nodes without Kubernetes: none is known."""

    async def read(self, node_ids: Collection[str]) -> dict[str, NodeUsage]:  # noqa: ARG002 - none says anything
        """See `NodeUsageReader`."""
        return {}

    async def having(self, handle: str, names: Collection[str]) -> set[str]:  # noqa: ARG002 - none says anything
        """See `NodeUsageReader`."""
        return set()


class ClusterNodeUsage:
    """The Nodes on an API server. `now` counts seconds."""

    def __init__(self, api: KubernetesApi, driver: str, now: Callable[[], float]) -> None:
        self.api: Final = api
        self.driver: Final = driver
        self._attached: Final = KeptAnswers(self._attached_to, now, KEEP_SECONDS, MAX_CONCURRENT, KubernetesForbidden)

    async def read(self, node_ids: Collection[str]) -> dict[str, NodeUsage]:
        """See `NodeUsageReader`."""
        if not node_ids:
            return {}
        names = {name: node_id for node_id, name in (await self._names()).items() if node_id in node_ids}
        return {names[node.metadata.name]: _usage(node) for node in await self._named(names)}

    async def having(self, handle: str, names: Collection[str]) -> set[str]:
        """See `NodeUsageReader`."""
        volume = unique_name(self.driver, handle)
        asked = [name for name in names if NODE_NAME.fullmatch(name)]
        attached = await asyncio.gather(*map(self._attached.of, asked))
        return {name for name, volumes in zip(asked, attached, strict=True) if volume in volumes}

    async def _named(self, names: Collection[str]) -> list[UsingNode]:
        """Read the existing Nodes with these names, some at once."""

        async def named(name: str) -> list[UsingNode]:
            return await self._list(NODES, {"fieldSelector": f"metadata.name={name}"})

        return [node for nodes in await ask_each(named, names, MAX_CONCURRENT) for node in nodes]

    async def _attached_to(self, name: str) -> Set[str]:
        """Return the unique names of the volumes that the Node says are attached to it."""
        return {each.name for node in await self._named([name]) for each in node.status.volumes_attached or ()}

    async def _names(self) -> dict[str, str]:
        """Map the driver's id of each node to its name."""
        nodes = await self._list(CSI_NODES, {})
        own = [(each.node_id, node.metadata.name) for node in nodes for each in node.spec.drivers or () if each.name == self.driver]
        many = Counter(node_id for node_id, _ in own)
        return {node_id: name for node_id, name in own if many[node_id] == 1}

    async def _list(self, kind: ResourceKind[T], selector: dict[str, str]) -> list[T]:
        return await list_all(self.api, kind, PAGE_SIZE, lambda _: True, selector)


def _usage(node: UsingNode) -> NodeUsage:
    return NodeUsage(node.ready, node.out_of_service, frozenset(node.status.volumes_in_use or ()))


def unique_name(driver: str, handle: str) -> str:
    """Return kubelet's name for a CSI volume in a Node's status.volumesInUse."""
    return f"kubernetes.io/csi/{driver}^{handle}"

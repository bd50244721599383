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

from mooring.cluster.node_ids import read_node_ids
from mooring.errors import KubernetesForbidden
from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.list_watch import list_all
from mooring.kubernetes.node_objects import NODE_NAME, NODES_WITH_VOLUMES, NodeWithVolumes
from mooring.process.at_once import ask_each
from mooring.process.kept_answers import KeptAnswers

MAX_CONCURRENT: Final = 8
KEEP_SECONDS: Final = 5.0
"""Seconds for which it is known what a Node has: its status lags by more."""


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """The status of a Node. `in_use`: the unique names of the volumes that its kubelet uses."""

    ready: bool
    out_of_service: bool
    in_use: Set[str]


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

    async def _named(self, names: Collection[str]) -> list[NodeWithVolumes]:
        """Read the existing Nodes with these names, some at once."""

        async def named(name: str) -> list[NodeWithVolumes]:
            return await list_all(self.api, NODES_WITH_VOLUMES, selector={"fieldSelector": f"metadata.name={name}"})

        return [node for nodes in await ask_each(named, names, MAX_CONCURRENT) for node in nodes]

    async def _attached_to(self, name: str) -> Set[str]:
        """Return the unique names of the volumes that the Node says are attached to it."""
        return {each.name for node in await self._named([name]) for each in node.status.volumes_attached or ()}

    async def _names(self) -> dict[str, str]:
        """Map the driver's id of each node to its name."""
        own = await read_node_ids(self.api, self.driver)
        many = Counter(own.values())
        return {node_id: name for name, node_id in own.items() if many[node_id] == 1}


def _usage(node: NodeWithVolumes) -> NodeUsage:
    return NodeUsage(node.ready, node.out_of_service, frozenset(node.status.volumes_in_use or ()))


def unique_name(driver: str, handle: str) -> str:
    """Return kubelet's name for a CSI volume in a Node's status.volumesInUse."""
    return f"kubernetes.io/csi/{driver}^{handle}"

"""The check that a node exists and has room for one more volume.

Contract: `cached` asks memory alone; a node that it doubts is checked with the API server by `check`, and only then refused. The
limit is the driver's own and best effort here: two publishes at once may both pass, and the driver has the last word.

Not kept here: the node ids (node_ids.py), the holders (mooring/index/manager.py).
"""

from __future__ import annotations

from mooring.cluster.node_ids import Node, Nodes
from mooring.errors import AttachLimitReached, NodeNotFound
from mooring.index.manager import AttachmentManager
from mooring.models import CheckNodeInput, NodeVerdict
from mooring.process.words import counted


class NodeChecker:
    """The check of one driver's nodes."""

    def __init__(self, nodes: Nodes, manager: AttachmentManager) -> None:
        self._nodes = nodes
        self._manager = manager

    def cached(self, volume_handle: str, node_id: str) -> NodeVerdict:
        """Return memory's answer about the node, for this volume."""
        node = self._nodes.find(node_id)
        if node is None:
            return NodeVerdict.UNKNOWN
        if self._is_full(node) and self._manager.get_attachment(volume_handle, node_id) is None:
            return NodeVerdict.FULL
        return NodeVerdict.ADMITTED

    async def check(self, asked: CheckNodeInput) -> None:
        """Look at the node live.

        Raises:
            NodeNotFound: there is none of this id.
            AttachLimitReached: it has no room for a volume that it does not hold yet.
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

        """
        what = f"Volume {asked.volume.volume_handle} can't be published to node {asked.node_id}"
        node = await self._nodes.look(asked.node_id)
        if node is None:
            raise NodeNotFound(f"{what}: {self._nodes.absence}.")
        if not asked.holds and self._is_full(node):
            held = counted(self._manager.volumes_on(node.node_id), "volume")
            raise AttachLimitReached(f"{what}: it holds {held} of driver {asked.volume.driver}, and its limit is {node.limit}.")

    def _is_full(self, node: Node) -> bool:
        return node.limit is not None and self._manager.volumes_on(node.node_id) >= node.limit

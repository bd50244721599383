"""CSINodes and Nodes as the API server sends them, of their fields those that Mooring needs."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from mooring.kubernetes.list_watch import Listed, ResourceKind, WatchEvent
from mooring.kubernetes.metadata import Metadata

OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"


class Taint(msgspec.Struct):
    """A taint, which keeps Pods from a Node."""

    key: str = ""


class NodeSpec(msgspec.Struct):
    """The spec of a Node."""

    taints: list[Taint] | None = None


class Condition(msgspec.Struct):
    """A condition of a Node, true or not."""

    type: str = ""
    status: str = ""


class NodeStatus(msgspec.Struct):
    """The status of a Node."""

    conditions: list[Condition] | None = None


class PlainNode(msgspec.Struct):
    """A Node."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)

    @property
    def out_of_service(self) -> bool:
        """True if an operator has declared the machine off, by the taint that Kubernetes has for it (any effect)."""
        return any(taint.key == OUT_OF_SERVICE for taint in self.spec.taints or ())

    @property
    def readiness(self) -> str:
        """The status of its condition Ready: "True", "False" or "Unknown", and "" if it has none."""
        return next((each.status for each in self.status.conditions or () if each.type == "Ready"), "")

    @property
    def ready(self) -> bool:
        """True if its kubelet is healthy."""
        return self.readiness == "True"


class AttachedVolume(msgspec.Struct):
    """A volume that Kubernetes' attach-detach controller has attached to a Node, by the name that kubelet has for it."""

    name: str = ""


class NodeStatusWithVolumes(NodeStatus, rename="camel"):
    """The status of a Node, with its volumes."""

    volumes_in_use: list[str] | None = None
    volumes_attached: list[AttachedVolume] | None = None


class NodeWithVolumes(PlainNode):
    """A Node with its volumes, for those who read a few Nodes: to decode a list with them takes a third longer."""

    status: NodeStatusWithVolumes = msgspec.field(default_factory=NodeStatusWithVolumes)


class Allocatable(msgspec.Struct):
    """The room on a node: `count` volumes of the driver, None for no limit."""

    count: int | None = None


class Registration(msgspec.Struct, rename={"node_id": "nodeID"}):
    """A driver that runs on a node, and its id for the node."""

    name: str
    node_id: str
    allocatable: Allocatable | None = None

    @property
    def limit(self) -> int | None:
        """The number of the driver's volumes that the node may hold, None for no limit."""
        return self.allocatable.count if self.allocatable else None


class CsiNodeSpec(msgspec.Struct):
    """The drivers that run on a node."""

    drivers: list[Registration] | None = None


class CsiNode(msgspec.Struct):
    """A CSINode."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: CsiNodeSpec = msgspec.field(default_factory=CsiNodeSpec)

    def registration(self, driver: str) -> Registration | None:
        """Return what the driver said of itself on this node, or None if it doesn't run there."""
        return next((each for each in self.spec.drivers or () if each.name == driver), None)


CSI_NODES: Final = ResourceKind(
    "CSINodes",
    "/apis/storage.k8s.io/v1/csinodes",
    msgspec.json.Decoder(Listed[CsiNode]),
    msgspec.json.Decoder(WatchEvent[CsiNode]),
)
NODES: Final = ResourceKind(
    "Nodes", "/api/v1/nodes", msgspec.json.Decoder(Listed[PlainNode]), msgspec.json.Decoder(WatchEvent[PlainNode])
)
NODES_WITH_VOLUMES: Final = ResourceKind(
    "Nodes", NODES.path, msgspec.json.Decoder(Listed[NodeWithVolumes]), msgspec.json.Decoder(WatchEvent[NodeWithVolumes])
)
NODE: Final = msgspec.json.Decoder(PlainNode)
NODE_NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")

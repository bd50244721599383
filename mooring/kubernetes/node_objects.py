"""CSINode and Node as the API server sends them, of their fields those that Mooring needs, and the node ids that they give."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from mooring.apiserver import KubernetesApi
from mooring.collection import Collection, Event, Kind, Listed
from mooring.nodes.ids import ClusterNodes, Node, Nodes

OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"


class Metadata(msgspec.Struct, rename="camel"):
    """The metadata of either."""

    name: str = ""
    resource_version: str = ""


class Taint(msgspec.Struct):
    """What keeps Pods from a Node."""

    key: str = ""


class NodeSpec(msgspec.Struct):
    """What is wanted of a Node."""

    taints: list[Taint] | None = None


class Condition(msgspec.Struct):
    """Something that is so of a Node, or not."""

    type: str = ""
    status: str = ""


class NodeStatus(msgspec.Struct):
    """How a Node is."""

    conditions: list[Condition] | None = None


class PlainNode(msgspec.Struct):
    """A Node."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)

    @property
    def out_of_service(self) -> bool:
        """Whether an operator has said that the machine is off, by the taint that Kubernetes has for it (any effect)."""
        return any(taint.key == OUT_OF_SERVICE for taint in self.spec.taints or ())

    @property
    def ready(self) -> bool:
        """Whether its kubelet is well."""
        return any(each.type == "Ready" and each.status == "True" for each in self.status.conditions or ())


class Allocatable(msgspec.Struct):
    """What a node has room for: `count` volumes of the driver, None for no limit."""

    count: int | None = None


class Registration(msgspec.Struct, rename={"node_id": "nodeID"}):
    """A driver that runs on a node, and its id for the node."""

    name: str
    node_id: str
    allocatable: Allocatable | None = None


class CsiNodeSpec(msgspec.Struct):
    """The drivers that run on a node."""

    drivers: list[Registration] | None = None


class CsiNode(msgspec.Struct):
    """A CSINode."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: CsiNodeSpec = msgspec.field(default_factory=CsiNodeSpec)


CSI_NODES: Final = Kind(
    "CSINodes",
    "/apis/storage.k8s.io/v1/csinodes",
    msgspec.json.Decoder(Listed[CsiNode]),
    msgspec.json.Decoder(Event[CsiNode]),
)
NODES: Final = Kind("Nodes", "/api/v1/nodes", msgspec.json.Decoder(Listed[PlainNode]), msgspec.json.Decoder(Event[PlainNode]))
NODE_NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


def csi_nodes(api: KubernetesApi, driver: str, reconnected: Callable[[], None], **bounds: Any) -> Nodes:
    """The node ids and limits that the CSINodes give for the driver; `reconnected` and `bounds` are those of `Collection`."""

    def read(node: CsiNode) -> Node | None:
        own = (each for each in node.spec.drivers or () if each.name == driver)
        limits = ((each.node_id, each.allocatable.count if each.allocatable else None) for each in own)
        return next((Node(node_id, limit, node.metadata.name) for node_id, limit in limits), None)

    objects = Collection(api, CSI_NODES, reconnected, **bounds)
    return ClusterNodes(objects, read, lambda _: {}, f"no CSINode says that driver {driver} has a node of this id")


def plain_nodes(api: KubernetesApi, reconnected: Callable[[], None], **bounds: Any) -> Nodes:
    """The names of the Nodes as node ids, without limits; `reconnected` and `bounds` are those of `Collection`."""

    def select(node_id: str) -> dict[str, str] | None:
        return {"fieldSelector": f"metadata.name={node_id}"} if NODE_NAME.fullmatch(node_id) else None

    def read(node: PlainNode) -> Node:
        return Node(node.metadata.name, name=node.metadata.name)

    objects = Collection(api, NODES, reconnected, **bounds)
    return ClusterNodes(objects, read, select, "there is no Node of this name")

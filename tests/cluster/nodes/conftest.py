"""CSINodes and Nodes of one test, on the API server behind the proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.connection import connect
from tests.harness.cluster import Cluster

CSI_NODES: Final = "/apis/storage.k8s.io/v1/csinodes"
NODES: Final = "/api/v1/nodes"
TIMEOUT: Final = 3.0


@dataclass(frozen=True, slots=True)
class NodeObjects:
    """The nodes that a test makes."""

    cluster: Cluster

    async def register(self, node_id: str, limit: int | None = None, *, driver: str = "", name: str = "") -> None:
        """Have the driver's node plugin register a node under this id; its name is made of `name`, or of the id."""
        allocatable = {} if limit is None else {"allocatable": {"count": limit}}
        registration = {"name": driver or self.cluster.driver, "nodeID": node_id, "topologyKeys": None, **allocatable}
        await self.cluster.ask("POST", CSI_NODES, self._object("CSINode", self.name(name or node_id), drivers=[registration]))

    async def unregister(self, node_id: str) -> None:
        """Have it gone."""
        await self.cluster.ask("DELETE", f"{CSI_NODES}/{self.name(node_id)}")

    async def join(self) -> str:
        """Create a Node in the cluster; return its name."""
        name = self.name("node")
        await self.cluster.ask("POST", NODES, self._object("Node", name))
        return name

    def name(self, node_id: str) -> str:
        """Return the name of the node that has this id."""
        return f"{node_id}-{self.cluster.driver.split('.')[0]}"

    def _object(self, kind: str, name: str, **spec: Any) -> dict[str, Any]:
        version = "v1" if kind == "Node" else "storage.k8s.io/v1"
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def node_objects(cluster: Cluster) -> NodeObjects:
    return NodeObjects(cluster)


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[KubernetesApi]:
    connected = await connect(cluster.proxy.kubeconfig(), {}, TIMEOUT)
    yield connected
    await connected.close()

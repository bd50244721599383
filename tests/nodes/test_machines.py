"""What has become of a node, where memory is behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mooring.apiserver import KubernetesApi
from mooring.evacuation.models import Presence
from mooring.metrics import Metrics
from mooring.nodes.ids import Nodes
from mooring.nodes.kinds import csi_nodes
from mooring.nodes.machines import ClusterMachines
from mooring.nodes.states import ClusterNodeStates
from mooring.volume_attachments import NoAttachments
from tests.harness.cluster import Cluster
from tests.nodes.conftest import CSI_NODES, NODES, Machines

OLD, NEW = "machine", "renamed"


@pytest.fixture
async def behind(api: KubernetesApi, cluster: Cluster, machines: Machines, metrics: Metrics) -> AsyncIterator[Nodes]:
    """The driver's CSINodes as they were: node-a is the Node `machine`, and nothing is heard since."""
    await machines.register("node-a", name=OLD)
    nodes = csi_nodes(api, cluster.driver, metrics.reconnected)
    async with nodes.following():
        await nodes.filled()
        cluster.proxy.fail("WATCH", path=CSI_NODES, status=503)
        cluster.proxy.cut_watches()
        yield nodes


async def test_a_node_that_goes_by_another_name_now_is_not_gone(
    api: KubernetesApi, cluster: Cluster, machines: Machines, metrics: Metrics, behind: Nodes
) -> None:
    await cluster.ask("DELETE", f"{CSI_NODES}/{machines.name(OLD)}")
    await machines.register("node-a", name=NEW)
    await cluster.ask("POST", NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": machines.name(NEW)}, "spec": {}})
    known = behind.find("node-a")
    assert known is not None
    assert known.name == machines.name(OLD)

    seen = await ClusterMachines(api, behind, NoAttachments(), metrics.reconnected, named_by_id=False).look("node-a", "")

    assert (seen.presence, seen.name) == (Presence.HERE, machines.name(NEW))


async def test_a_node_that_memory_alone_knows_is_gone(
    api: KubernetesApi, cluster: Cluster, machines: Machines, metrics: Metrics, behind: Nodes
) -> None:
    await cluster.ask("DELETE", f"{CSI_NODES}/{machines.name(OLD)}")

    seen = await ClusterMachines(api, behind, NoAttachments(), metrics.reconnected, named_by_id=False).look("node-a", "")

    assert (seen.presence, seen.name) == (Presence.GONE, machines.name(OLD))


async def test_of_a_node_id_that_two_nodes_go_by_nothing_is_said(api: KubernetesApi, cluster: Cluster, machines: Machines) -> None:
    for name, node_id in ((OLD, "node-a"), (NEW, "node-a"), ("other", "node-b")):
        await machines.register(node_id, name=name)
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": machines.name(name)}, "spec": {}}
        await cluster.ask("POST", NODES, body)

    assert list(await ClusterNodeStates(api, cluster.driver).ask({"node-a", "node-b"})) == ["node-b"]

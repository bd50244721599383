"""The fate of a node, where memory is behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mooring.cluster.node_health import ClusterNodeHealth
from mooring.cluster.node_ids import Nodes, csi_nodes
from mooring.cluster.node_usage import ClusterNodeUsage
from mooring.cluster.volume_attachments import ClusterAttachments, NoAttachments
from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.node_objects import OUT_OF_SERVICE
from mooring.models.evacuation import Presence
from mooring.process.metrics import Metrics
from tests.cluster.nodes.conftest import CSI_NODES, NODES, NodeObjects
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT
from tests.harness.existing_cluster import VOLUME_ATTACHMENTS, ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.records import NOW

OLD, NEW = "machine", "renamed"


@pytest.fixture
async def behind(api: KubernetesApi, cluster: Cluster, node_objects: NodeObjects, metrics: Metrics) -> AsyncIterator[Nodes]:
    """The driver's CSINodes as they were: node-a is the Node `machine`, and nothing is heard since."""
    await node_objects.register("node-a", name=OLD)
    nodes = csi_nodes(api, cluster.driver, metrics.reconnected)
    async with nodes.running():
        await nodes.wait_until_synced()
        cluster.proxy.fail("WATCH", path=CSI_NODES, status=503)
        cluster.proxy.cut_watches()
        yield nodes


async def test_a_node_that_goes_by_another_name_now_is_not_gone(
    api: KubernetesApi, cluster: Cluster, node_objects: NodeObjects, metrics: Metrics, behind: Nodes
) -> None:
    await cluster.ask("DELETE", f"{CSI_NODES}/{node_objects.name(OLD)}")
    await node_objects.register("node-a", name=NEW)
    await cluster.ask("POST", NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node_objects.name(NEW)}, "spec": {}})
    known = behind.find("node-a")
    assert known is not None
    assert known.name == node_objects.name(OLD)

    seen = await ClusterNodeHealth(api, behind, NoAttachments(), metrics.reconnected, named_by_id=False).read("node-a", ())

    assert (seen.presence, seen.name) == (Presence.HERE, node_objects.name(NEW))


async def test_a_node_that_memory_alone_knows_is_gone(
    api: KubernetesApi, cluster: Cluster, node_objects: NodeObjects, metrics: Metrics, behind: Nodes
) -> None:
    await cluster.ask("DELETE", f"{CSI_NODES}/{node_objects.name(OLD)}")

    seen = await ClusterNodeHealth(api, behind, NoAttachments(), metrics.reconnected, named_by_id=False).read("node-a", ())

    assert (seen.presence, seen.name) == (Presence.GONE, node_objects.name(OLD))


@pytest.fixture
def watched(api: KubernetesApi, cluster: Cluster, metrics: Metrics) -> ClusterNodeHealth:
    """The state of the cluster's nodes, as their objects show it, VolumeAttachments included."""
    nodes = csi_nodes(api, cluster.driver, metrics.reconnected)
    attached = ClusterAttachments(api, cluster.driver, lambda: NOW)
    return ClusterNodeHealth(api, nodes, attached, metrics.reconnected, named_by_id=False)


async def _have(cluster: Cluster, name: str, *taints: dict[str, str]) -> None:
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"taints": [*taints]}}
    await cluster.ask("POST", NODES, body)


@pytest.mark.parametrize(("first", "second"), [(OLD, NEW), (NEW, OLD)])
async def test_the_taint_of_one_of_two_nodes_of_an_id_says_nothing_of_the_other(
    cluster: Cluster, node_objects: NodeObjects, watched: ClusterNodeHealth, first: str, second: str
) -> None:
    for name in (first, second):
        await node_objects.register("node-a", name=name)
    await _have(cluster, node_objects.name(OLD), TAINT)
    await _have(cluster, node_objects.name(NEW))

    seen = await watched.read("node-a", (node_objects.name(OLD),))

    assert (seen.presence, seen.out_of_service, seen.name) == (Presence.HERE, False, node_objects.name(NEW))
    assert f"Node {node_objects.name(NEW)} exists and is not Ready, and Node {node_objects.name(OLD)} has the taint" in seen.words


async def test_two_nodes_of_an_id_are_out_of_service_once_both_are(
    cluster: Cluster, node_objects: NodeObjects, watched: ClusterNodeHealth
) -> None:
    for name in (OLD, NEW):
        await node_objects.register("node-a", name=name)
        await _have(cluster, node_objects.name(name), TAINT)

    seen = await watched.read("node-a", ())

    assert (seen.presence, seen.out_of_service, len(seen.names)) == (Presence.HERE, True, 2)


async def test_where_one_of_two_nodes_is_gone_and_the_other_out_of_service_both_count_as_gone(
    cluster: Cluster, node_objects: NodeObjects, watched: ClusterNodeHealth
) -> None:
    await node_objects.register("node-a", name=OLD)
    await _have(cluster, node_objects.name(OLD), TAINT)

    seen = await watched.read("node-a", (node_objects.name(NEW),))

    assert (seen.presence, seen.out_of_service) == (Presence.GONE, False)
    assert seen.words.endswith(f"has the taint {OUT_OF_SERVICE}, and there is no Node {node_objects.name(NEW)}")


async def test_a_node_that_a_volumeattachment_alone_names_is_one_of_them(
    cluster: Cluster, node_objects: NodeObjects, watched: ClusterNodeHealth, kubernetes: Kubernetes
) -> None:
    await node_objects.register("node-a", name=OLD)
    await _have(cluster, node_objects.name(OLD), TAINT)
    await _have(cluster, node_objects.name("node-a"))
    await ExistingCluster(cluster, kubernetes.audit is not None).attach(
        "vol", "node-a", known=False, attached=False, noted="node-a"
    )

    seen = await watched.read("node-a", ())

    assert (seen.presence, seen.out_of_service, seen.name) == (Presence.HERE, False, node_objects.name("node-a"))


async def test_where_volumeattachments_may_not_be_read_nothing_is_said(
    cluster: Cluster, node_objects: NodeObjects, watched: ClusterNodeHealth
) -> None:
    await node_objects.register("node-a", name=OLD)
    await _have(cluster, node_objects.name(OLD), TAINT)
    cluster.proxy.fail("GET", path=VOLUME_ATTACHMENTS, status=403)

    seen = await watched.read("node-a", ())

    assert seen.presence is Presence.UNKNOWN
    assert "the Nodes with the CSI node id node-a could not be looked up" in seen.words


async def test_of_a_node_id_that_two_nodes_go_by_nothing_is_said(
    api: KubernetesApi, cluster: Cluster, node_objects: NodeObjects
) -> None:
    for name, node_id in ((OLD, "node-a"), (NEW, "node-a"), ("other", "node-b")):
        await node_objects.register(node_id, name=name)
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node_objects.name(name)}, "spec": {}}
        await cluster.ask("POST", NODES, body)

    assert list(await ClusterNodeUsage(api, cluster.driver, lambda: 0).read({"node-a", "node-b"})) == ["node-b"]

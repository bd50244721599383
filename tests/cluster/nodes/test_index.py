"""The node ids that there are: filled by a list, kept current by a watch, looked for live."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mooring.cluster.node_ids import Node, Nodes, csi_nodes, plain_nodes
from mooring.kubernetes.api import KubernetesApi
from mooring.process.metrics import Metrics
from tests.cluster.nodes.conftest import CSI_NODES, NODES, NodeObjects
from tests.harness.cluster import Cluster
from tests.harness.workers import until


@pytest.fixture
async def nodes(api: KubernetesApi, driver: str, metrics: Metrics) -> AsyncIterator[Nodes]:
    """The driver's CSINodes, followed."""
    followed = csi_nodes(api, driver, metrics.reconnected)
    async with followed.running():
        await followed.wait_until_synced()
        yield followed


async def test_a_node_that_is_there_is_known_with_its_limit(
    api: KubernetesApi, metrics: Metrics, node_objects: NodeObjects
) -> None:
    await node_objects.register("node-a", limit=7)
    nodes = csi_nodes(api, node_objects.cluster.driver, metrics.reconnected)

    async with nodes.running():
        await nodes.wait_until_synced()

        assert (nodes.find("node-a"), nodes.find("node-b"), nodes.not_synced) == (
            Node("node-a", 7, node_objects.name("node-a")),
            None,
            [],
        )


async def test_a_node_that_comes_is_known(nodes: Nodes, node_objects: NodeObjects) -> None:
    await node_objects.register("node-a")

    await until(lambda: nodes.find("node-a") == Node("node-a", name=node_objects.name("node-a")))


async def test_a_node_that_goes_is_forgotten(nodes: Nodes, node_objects: NodeObjects) -> None:
    await node_objects.register("node-a")
    await until(lambda: nodes.find("node-a") is not None)

    await node_objects.unregister("node-a")

    await until(lambda: nodes.find("node-a") is None)


async def test_a_node_of_another_driver_is_none(nodes: Nodes, node_objects: NodeObjects) -> None:
    await node_objects.register("node-x", driver="other.csi.test")
    await node_objects.register("node-a")
    await until(lambda: nodes.find("node-a") is not None)

    assert (nodes.find("node-x"), await nodes.look("node-x")) == (None, None)


async def test_a_look_knows_what_the_watch_has_not_brought(nodes: Nodes, node_objects: NodeObjects, cluster: Cluster) -> None:
    cluster.proxy.fail("WATCH", path=CSI_NODES, status=503)
    cluster.proxy.cut_watches()
    await node_objects.register("node-a", limit=3)

    assert (nodes.find("node-a"), await nodes.look("node-a")) == (None, Node("node-a", 3, node_objects.name("node-a")))


async def test_a_lost_watch_lists_anew(nodes: Nodes, node_objects: NodeObjects, cluster: Cluster) -> None:
    lists = cluster.proxy.count("GET", CSI_NODES)
    cluster.proxy.fail("WATCH", path=CSI_NODES, status=410, times=1)
    cluster.proxy.cut_watches()
    await until(lambda: cluster.proxy.count("GET", CSI_NODES) > lists)

    await node_objects.register("node-a")

    await until(lambda: nodes.find("node-a") is not None)


async def test_a_known_node_remains_while_nodes_can_not_be_listed(
    nodes: Nodes, node_objects: NodeObjects, cluster: Cluster
) -> None:
    await node_objects.register("node-a")
    await until(lambda: nodes.find("node-a") is not None)

    refused = cluster.proxy.fail("GET", path=CSI_NODES, status=403)
    cluster.proxy.fail("WATCH", path=CSI_NODES, status=410, times=1)
    cluster.proxy.cut_watches()
    await until(lambda: refused.seen > 1)

    assert (nodes.find("node-a"), nodes.not_synced) == (Node("node-a", name=node_objects.name("node-a")), [])


async def test_a_list_that_fails_is_told_and_tried_again(api: KubernetesApi, metrics: Metrics, cluster: Cluster) -> None:
    refused = cluster.proxy.fail("GET", path=CSI_NODES, status=403)
    nodes = csi_nodes(api, cluster.driver, metrics.reconnected)

    async with nodes.running():
        await until(lambda: "Could not list CSINodes" in nodes.not_synced[0])
        assert "MOORING_NODE_CHECK=off" in nodes.not_synced[0]
        refused.stop()
        await nodes.wait_until_synced()

    assert nodes.not_synced == []


async def test_a_node_is_known_by_its_name(api: KubernetesApi, metrics: Metrics, node_objects: NodeObjects) -> None:
    name = await node_objects.join()
    nodes = plain_nodes(api, metrics.reconnected)

    async with nodes.running():
        await nodes.wait_until_synced()

        assert nodes.find(name) == await nodes.look(name) == Node(name, name=name)
        assert nodes.find("nobody") is await nodes.look("nobody") is None


async def test_what_no_node_can_be_called_is_not_asked_for(api: KubernetesApi, metrics: Metrics, cluster: Cluster) -> None:
    nodes = plain_nodes(api, metrics.reconnected)

    assert await nodes.look("node-a,metadata.name!=node-b") is None

    assert cluster.proxy.count("GET", NODES) == 0

"""The node ids that there are: filled by a list, kept current by a watch, looked for live."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mooring.cluster.node_ids import Node, Nodes, csi_nodes, plain_nodes
from mooring.kubernetes.api import KubernetesApi
from mooring.process.metrics import Metrics
from tests.harness.cluster import Cluster
from tests.harness.workers import until
from tests.nodes.conftest import CSI_NODES, NODES, Machines


@pytest.fixture
async def nodes(api: KubernetesApi, driver: str, metrics: Metrics) -> AsyncIterator[Nodes]:
    """The driver's CSINodes, followed."""
    followed = csi_nodes(api, driver, metrics.reconnected)
    async with followed.running():
        await followed.wait_until_synced()
        yield followed


async def test_a_node_that_is_there_is_known_with_its_limit(api: KubernetesApi, metrics: Metrics, machines: Machines) -> None:
    await machines.register("node-a", limit=7)
    nodes = csi_nodes(api, machines.cluster.driver, metrics.reconnected)

    async with nodes.running():
        await nodes.wait_until_synced()

        assert (nodes.find("node-a"), nodes.find("node-b"), nodes.not_synced) == (Node("node-a", 7, machines.name("node-a")), None, [])


async def test_a_node_that_comes_is_known(nodes: Nodes, machines: Machines) -> None:
    await machines.register("node-a")

    await until(lambda: nodes.find("node-a") == Node("node-a", name=machines.name("node-a")))


async def test_a_node_that_goes_is_forgotten(nodes: Nodes, machines: Machines) -> None:
    await machines.register("node-a")
    await until(lambda: nodes.find("node-a") is not None)

    await machines.unregister("node-a")

    await until(lambda: nodes.find("node-a") is None)


async def test_a_node_of_another_driver_is_none(nodes: Nodes, machines: Machines) -> None:
    await machines.register("node-x", driver="other.csi.test")
    await machines.register("node-a")
    await until(lambda: nodes.find("node-a") is not None)

    assert (nodes.find("node-x"), await nodes.look("node-x")) == (None, None)


async def test_a_look_knows_what_the_watch_has_not_brought(nodes: Nodes, machines: Machines, cluster: Cluster) -> None:
    cluster.proxy.fail("WATCH", path=CSI_NODES, status=503)
    cluster.proxy.cut_watches()
    await machines.register("node-a", limit=3)

    assert (nodes.find("node-a"), await nodes.look("node-a")) == (None, Node("node-a", 3, machines.name("node-a")))


async def test_a_lost_watch_lists_anew(nodes: Nodes, machines: Machines, cluster: Cluster) -> None:
    lists = cluster.proxy.count("GET", CSI_NODES)
    cluster.proxy.fail("WATCH", path=CSI_NODES, status=410, times=1)
    cluster.proxy.cut_watches()
    await until(lambda: cluster.proxy.count("GET", CSI_NODES) > lists)

    await machines.register("node-a")

    await until(lambda: nodes.find("node-a") is not None)


async def test_what_was_known_stays_while_it_can_not_be_listed_anew(nodes: Nodes, machines: Machines, cluster: Cluster) -> None:
    await machines.register("node-a")
    await until(lambda: nodes.find("node-a") is not None)

    refused = cluster.proxy.fail("GET", path=CSI_NODES, status=403)
    cluster.proxy.fail("WATCH", path=CSI_NODES, status=410, times=1)
    cluster.proxy.cut_watches()
    await until(lambda: refused.seen > 1)

    assert (nodes.find("node-a"), nodes.not_synced) == (Node("node-a", name=machines.name("node-a")), [])


async def test_a_list_that_fails_is_told_and_tried_again(api: KubernetesApi, metrics: Metrics, cluster: Cluster) -> None:
    refused = cluster.proxy.fail("GET", path=CSI_NODES, status=403)
    nodes = csi_nodes(api, cluster.driver, metrics.reconnected)

    async with nodes.running():
        await until(lambda: "Could not list CSINodes" in nodes.not_synced[0])
        assert "MOORING_NODE_CHECK=off" in nodes.not_synced[0]
        refused.stop()
        await nodes.wait_until_synced()

    assert nodes.not_synced == []


async def test_a_node_is_known_by_its_name(api: KubernetesApi, metrics: Metrics, machines: Machines) -> None:
    name = await machines.join()
    nodes = plain_nodes(api, metrics.reconnected)

    async with nodes.running():
        await nodes.wait_until_synced()

        assert nodes.find(name) == await nodes.look(name) == Node(name, name=name)
        assert nodes.find("nobody") is await nodes.look("nobody") is None


async def test_what_no_node_can_be_called_is_not_asked_for(api: KubernetesApi, metrics: Metrics, cluster: Cluster) -> None:
    nodes = plain_nodes(api, metrics.reconnected)

    assert await nodes.look("node-a,metadata.name!=node-b") is None

    assert cluster.proxy.count("GET", NODES) == 0

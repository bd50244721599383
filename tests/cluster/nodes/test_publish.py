"""Publish asks whether the node is there and has room; unpublish never does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import AttachLimitReached, NodeNotFound, VolumeNotFound
from mooring.models import VolumeRef
from tests.cluster.nodes.conftest import CSI_NODES, NodeObjects
from tests.harness.cluster import PVS, Cluster
from tests.harness.workers import indexed, quick, running_worker, until
from worker import MooringWorker


@pytest.fixture
async def worker(temporal_client: Client, cluster: Cluster, driver: str, node_objects: NodeObjects) -> AsyncIterator[MooringWorker]:
    """A worker that knows one node, with room for two volumes."""
    await node_objects.register("node-a", limit=2)
    async with running_worker(temporal_client, quick(driver, node_check="csinode"), cluster.proxy.kubeconfig()) as running:
        yield running


async def test_a_known_node_costs_nothing(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    before = cluster.proxy.count(path=PVS), cluster.proxy.count(path=CSI_NODES)

    await mooring.publish("vol", "node-a")

    assert (cluster.proxy.count(path=PVS), cluster.proxy.count(path=CSI_NODES)) == (before[0] + 1, before[1])
    assert await scheduled(temporal_client, cluster.driver, "vol") == []


async def test_an_unknown_node_is_refused_and_told_where_it_should_be(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")

    with pytest.raises(NodeNotFound, match=rf"vol can't be published to node node-x: .*CSINode .*{cluster.driver}.*kubectl"):
        await mooring.publish("vol", "node-x")

    assert await cluster.annotations("vol") == {}
    assert await scheduled(temporal_client, cluster.driver, "vol") == ["check_node"]


async def test_a_node_that_registered_a_moment_ago_is_found(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, node_objects: NodeObjects
) -> None:
    await cluster.create("vol")
    cluster.proxy.fail("WATCH", path=CSI_NODES, status=503)
    cluster.proxy.cut_watches()
    await node_objects.register("node-b")

    await mooring.publish("vol", "node-b")

    assert await cluster.holder("vol") == "node-b"


async def test_a_node_is_asked_for_again_where_the_api_server_can_not_say(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    failed = cluster.proxy.fail("GET", path=CSI_NODES, status=503, times=1)

    with pytest.raises(NodeNotFound):
        await mooring.publish("vol", "node-x")

    assert failed.seen == 1


async def test_a_node_that_is_gone_for_good_can_be_unpublished(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, node_objects: NodeObjects
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await node_objects.unregister("node-a")

    result = await mooring.unpublish("vol", "node-a")

    assert (result.released, await cluster.holder("vol")) == (("node-a",), None)


async def test_a_volume_without_a_pv_needs_a_node_too(worker: MooringWorker, mooring: MooringClient) -> None:
    with pytest.raises(NodeNotFound):
        await mooring.publish("vol", "node-x")

    assert (await mooring.get("vol")).unpersisted is None


async def test_a_missing_volume_is_told_before_a_missing_node(
    temporal_client: Client, cluster: Cluster, driver: str, mooring: MooringClient
) -> None:
    settings = quick(driver, node_check="csinode", missing_pv="reject")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await cluster.create("vol")

        with pytest.raises(VolumeNotFound):
            await mooring.publish("no-vol", "node-x")
        with pytest.raises(NodeNotFound):
            await mooring.publish("vol", "node-x")


async def test_a_full_node_is_refused_until_it_has_room(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await hold(cluster, mooring, "vol-1", "vol-2")
    await cluster.create("vol-3")

    with pytest.raises(AttachLimitReached, match=r"vol-3 can't be published to node node-a: it holds 2 volumes .* limit is 2\."):
        await mooring.publish("vol-3", "node-a")
    assert await cluster.annotations("vol-3") == {}

    await mooring.unpublish("vol-1", "node-a")
    await mooring.publish("vol-3", "node-a")


async def test_a_full_node_may_have_again_what_it_held_when_the_pv_went(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await hold(cluster, mooring, "vol-1", "vol-2")
    await cluster.delete("vol-1")
    await until(lambda: worker.manager.pv_name("vol-1") is None)
    await hold(cluster, mooring, "vol-3")

    assert not (await mooring.publish("vol-1", "node-a")).persisted


async def test_a_volume_without_a_pv_counts(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await mooring.publish("late-1", "node-a")
    await mooring.publish("late-2", "node-a")
    await until(lambda: worker.manager.volumes_on("node-a") == 2)

    with pytest.raises(AttachLimitReached):
        await mooring.publish("late-3", "node-a")

    assert not (await mooring.publish("late-1", "node-a")).persisted


async def test_a_full_node_keeps_what_it_holds(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await hold(cluster, mooring, "vol-1", "vol-2")

    assert (await mooring.publish("vol-1", "node-a")).reclaimed


async def test_a_full_node_keeps_what_the_index_does_not_know_that_it_holds(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await hold(cluster, mooring, "vol-1", "vol-2")
    await cluster.create("vol-3")
    await indexed(worker, "vol-3")
    cluster.proxy.fail("WATCH", path=PVS, status=503)
    cluster.proxy.cut_watches()
    await cluster.annotate("vol-3", {cluster.keys.node: "node-a", cluster.keys.at: "2026-01-31T04:00:41.000000Z"})

    assert (await mooring.publish("vol-3", "node-a")).reclaimed


async def test_the_names_of_nodes_are_node_ids_where_they_are_asked_for(
    temporal_client: Client, cluster: Cluster, driver: str, mooring: MooringClient, node_objects: NodeObjects
) -> None:
    name = await node_objects.join()
    await cluster.create("vol")
    async with running_worker(temporal_client, quick(driver, node_check="node"), cluster.proxy.kubeconfig()):
        with pytest.raises(NodeNotFound, match=r"node-x: there is no Node with this name\."):
            await mooring.publish("vol", "node-x")

        await mooring.publish("vol", name)

    assert await cluster.holder("vol") == name


async def test_nothing_is_checked_where_that_is_asked_for(
    temporal_client: Client, cluster: Cluster, driver: str, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    async with running_worker(temporal_client, quick(driver, node_check="off"), cluster.proxy.kubeconfig()):
        await mooring.publish("vol", "node-x")

    assert (await cluster.holder("vol"), cluster.proxy.count("*", CSI_NODES)) == ("node-x", 0)


async def test_nothing_is_checked_without_kubernetes(temporal_client: Client, driver: str, mooring: MooringClient) -> None:
    async with running_worker(temporal_client, quick(driver, node_check="csinode", kubernetes="off"), {}):
        assert (await mooring.publish("vol", "node-x")).persisted


async def hold(cluster: Cluster, mooring: MooringClient, *handles: str) -> None:
    """Have node-a hold these volumes."""
    for handle in handles:
        await cluster.create(handle)
        await mooring.publish(handle, "node-a")


async def scheduled(client: Client, driver: str, handle: str) -> list[str]:
    """Return the activities of the volume's newest run."""
    run = client.get_workflow_handle(names.volume_id(VolumeRef(driver=driver, volume_handle=handle)))
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in run.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]

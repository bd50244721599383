"""Evacuations that nobody asks for: a worker sees a node die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client

from mooring.cluster.node_ids import AnyNode, Node
from mooring.errors import TemporalUnavailable
from mooring.evacuation.node_watcher import DeadNodeWatcher
from mooring.index.manager import AttachmentManager
from mooring.models.evacuation import EvacuateRequest
from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, DeadNode, ended
from tests.harness.patience import PATIENCE
from tests.harness.records import attachment
from tests.harness.workers import indexed, quick, running_worker
from worker import MooringWorker


@asynccontextmanager
async def watchful(client: Client, cluster: Cluster, number: int = 1, **settings: Any) -> AsyncIterator[list[MooringWorker]]:
    """Run workers that watch the nodes."""
    watching = quick(cluster.driver, **{"node_check": "csinode", "node_gone": 1, **settings})
    async with AsyncExitStack() as stack:
        starting = (running_worker(client, watching, cluster.proxy.kubeconfig()) for _ in range(number))
        yield [await stack.enter_async_context(worker) for worker in starting]


async def begun(dead_node: DeadNode) -> None:
    """Wait until it is being evacuated."""
    async with asyncio.timeout(PATIENCE):
        while not await dead_node.is_begun():
            await asyncio.sleep(0.05)


async def runs(dead_node: DeadNode) -> int:
    """Return how many evacuations of the node there were, by visibility once it shows any."""
    query = f"WorkflowId = '{dead_node.evacuation.id}'"
    async with asyncio.timeout(PATIENCE):
        while not (found := (await dead_node.client.count_workflows(query)).count):
            await asyncio.sleep(0.1)
    return found


async def test_a_node_that_is_taken_out_of_service_is_evacuated(
    temporal_client: Client, cluster: Cluster, dead_node: DeadNode
) -> None:
    async with watchful(temporal_client, cluster):
        await dead_node.admit("vol")
        await dead_node.taint(TAINT)
        await begun(dead_node)
        result = await ended(dead_node.evacuation)

    assert (result.state, result.released, result.node_name) == (State.EVACUATED, 1, dead_node.name)


async def test_a_node_that_is_deleted_is_evacuated(temporal_client: Client, cluster: Cluster, dead_node: DeadNode) -> None:
    async with watchful(temporal_client, cluster):
        await dead_node.admit("vol")
        await dead_node.go()
        await begun(dead_node)
        result = await ended(dead_node.evacuation)

    assert (result.state, result.released) == (State.EVACUATED, 1)
    assert "nor was there one since" in result.evidence


async def test_where_node_ids_are_names_a_node_that_is_deleted_is_evacuated(
    temporal_client: Client, cluster: Cluster, dead_node: DeadNode
) -> None:
    named = DeadNode(cluster, dead_node.client, dead_node.mooring, dead_node.name)
    async with watchful(temporal_client, cluster, node_check="node"):
        await named.admit("vol")
        await named.go()
        await begun(named)
        result = await ended(named.evacuation)

    assert (result.state, result.released) == (State.EVACUATED, 1)


async def test_a_node_that_was_out_of_service_when_the_worker_began_is_evacuated(
    temporal_client: Client, cluster: Cluster, dead_node: DeadNode
) -> None:
    async with watchful(temporal_client, cluster, evacuate="off"):
        await dead_node.admit("vol")
        await dead_node.taint(TAINT)
    async with watchful(temporal_client, cluster):
        await begun(dead_node)
        result = await ended(dead_node.evacuation)

    assert (result.state, result.released) == (State.EVACUATED, 1)


async def test_several_workers_begin_one_evacuation(temporal_client: Client, cluster: Cluster, dead_node: DeadNode) -> None:
    async with watchful(temporal_client, cluster, 3) as workers:
        await dead_node.admit("vol")
        for worker in workers:
            await indexed(worker, "vol")
        await dead_node.taint(TAINT)
        await begun(dead_node)
        assert (await ended(dead_node.evacuation)).released == 1

        assert await runs(dead_node) == 1


async def test_a_node_that_holds_nothing_is_left_alone(temporal_client: Client, cluster: Cluster, dead_node: DeadNode) -> None:
    other = DeadNode(cluster, dead_node.client, dead_node.mooring, "node-b", "other")
    async with watchful(temporal_client, cluster):
        await dead_node.admit()
        await other.admit("vol")
        await dead_node.taint(TAINT)
        await other.taint(TAINT)
        await begun(other)
        await ended(other.evacuation)

        assert not await dead_node.is_begun()


@dataclass
class OneDeath:
    """The health of nodes of which one dies at once; `out_of_service` None: it is deleted."""

    out_of_service: bool | None = None

    async def read(self, node_id: str, names: Collection[str]) -> Any:
        """Return nothing: nobody asks."""

    @asynccontextmanager
    async def watching(self, changed: Any) -> AsyncIterator[None]:
        """See `NodeHealthReader`."""
        changed({"machine": self.out_of_service})
        yield


class Known(AnyNode):
    """One node."""

    def named(self, name: str) -> Node | None:
        """See `Nodes`."""
        return Node("node-a", name=name)


async def test_what_temporal_cant_take_yet_is_tried_again() -> None:
    manager, asked, begun = AttachmentManager(), [], asyncio.Event()
    manager.track_attachment("vol", attachment("node-a"))

    async def start(request: EvacuateRequest) -> None:
        asked.append((request.node_id, request.node_name, request.automatic))
        if len(asked) < 3:
            raise TemporalUnavailable("Temporal is away.")
        begun.set()

    watch = asyncio.create_task(DeadNodeWatcher("d.csi.test", OneDeath(), Known(), manager, start).watch())
    await asyncio.wait_for(begun.wait(), PATIENCE)
    watch.cancel()

    assert asked == [("node-a", "machine", True)] * 3


async def test_a_node_that_is_out_of_service_and_gets_a_volume_later_is_evacuated() -> None:
    manager, begun = AttachmentManager(), asyncio.Event()

    async def start(_: EvacuateRequest) -> None:
        begun.set()

    dead = DeadNodeWatcher("d.csi.test", OneDeath(out_of_service=True), Known(), manager, start, look_every=0.02)
    watch = asyncio.create_task(dead.watch())
    await asyncio.sleep(0.1)
    assert not begun.is_set()
    manager.track_attachment("vol", attachment("node-a"))
    await asyncio.wait_for(begun.wait(), PATIENCE)
    watch.cancel()

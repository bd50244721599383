"""A release whose answer nobody heard, because a worker or a step was lost, is counted like any other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from temporalio.client import Client, Interceptor, OutboundInterceptor, WorkflowExecutionAsyncIterator

from mooring import names
from mooring.client import MooringClient
from mooring.models import UnpublishRequest
from mooring.models.evacuation import EvacuationProgress
from mooring.temporal.runs import describe
from mooring.temporal.visibility import RunVisibility
from tests.evacuation.conftest import Stubborn
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, DeadNode, ended
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker
from worker import MooringWorker

if TYPE_CHECKING:
    from temporalio.client import ListWorkflowsInput


class Unanswered(WorkflowExecutionAsyncIterator):
    """A list of runs that never arrives."""

    def __init__(self) -> None:
        """Have nothing to ask."""

    async def __anext__(self) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError


class NoUnpublishes(Interceptor, OutboundInterceptor):
    """A way to a Temporal that never answers which unpublishes there were."""

    def __init__(self) -> None:
        """Wait for the client to be made."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        OutboundInterceptor.__init__(self, next)
        return self

    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:  # noqa: A002 - the SDK's name
        return Unanswered() if f"WorkflowType = '{names.UNPUBLISH}'" in (input.query or "") else super().list_workflows(input)


async def bound(cluster: Cluster, handle: str) -> UnpublishRequest:
    """Return the request of an evacuation of `node-a` that lists the volume now."""
    return UnpublishRequest(driver=cluster.driver, volume_handle=handle, node_id="node-a", at_epoch=await cluster.epoch(handle))


async def lose_first_release(dead_node: DeadNode, backend: Stubborn) -> None:
    """Have the step fail that releases `vol-1`, and `vol-1` released all the same before `vol-2` is."""
    backend.held["vol-2"] = asyncio.Event()
    await dead_node.lose_release("vol-1")
    backend.held["vol-1"].set()
    async with asyncio.timeout(PATIENCE):
        while await dead_node.holders("vol-1") != [None]:
            await asyncio.sleep(0.05)
    backend.held["vol-2"].set()


async def test_a_release_whose_answer_was_lost_is_counted(
    stuck: asyncio.Event, dead_node: DeadNode, mooring: MooringClient, cluster: Cluster
) -> None:
    await mooring.request_unpublish(await bound(cluster, "vol-2"))  # as an attempt does whose worker dies before it can say so
    stuck.set()

    assert (await ended(dead_node.evacuation)).released == 2


async def test_it_is_counted_though_another_node_has_got_the_volume_since(
    stuck: asyncio.Event, dead_node: DeadNode, mooring: MooringClient, cluster: Cluster
) -> None:
    await DeadNode(cluster, dead_node.client, mooring, "node-b", "other").admit()
    await mooring.request_unpublish(await bound(cluster, "vol-2"))
    await mooring.publish("vol-2", "node-b")
    stuck.set()

    assert (await ended(dead_node.evacuation)).released == 2
    assert await dead_node.holders("vol-1", "vol-2") == [None, "node-b"]


async def test_what_somebody_else_has_released_is_not_counted(
    stuck: asyncio.Event, dead_node: DeadNode, mooring: MooringClient
) -> None:
    await mooring.unpublish("vol-2", "node-a")
    stuck.set()

    assert (await ended(dead_node.evacuation)).released == 1


async def test_a_release_that_goes_on_though_its_step_has_failed_is_counted(
    stuck: asyncio.Event, dead_node: DeadNode, backend: Stubborn
) -> None:
    await lose_first_release(dead_node, backend)

    assert (await ended(dead_node.evacuation)).released == 2


async def test_it_is_counted_though_another_run_goes_on_with_the_evacuation(
    one_by_one: MooringWorker, dead_node: DeadNode, backend: Stubborn
) -> None:
    await dead_node.admit("vol-1", "vol-2", "vol-3")
    await dead_node.taint(TAINT)
    backend.held["vol-1"] = asyncio.Event()
    evacuation = await dead_node.evacuate(releases_a_run=1)
    await asyncio.wait_for(backend.reached.wait(), PATIENCE)
    await lose_first_release(dead_node, backend)

    assert (await ended(evacuation)).released == 3


async def test_a_release_that_is_still_under_way_is_not_waited_for(
    stuck: asyncio.Event, temporal_client: Client, cluster: Cluster
) -> None:
    asked = await bound(cluster, "vol-1")
    under_way = await describe(temporal_client, names.volume_id(asked))
    assert under_way is not None
    runs = RunVisibility(temporal_client, cluster.driver, search_attributes=True)

    assert await asyncio.wait_for(runs.answer_to(asked, under_way.run_id), PATIENCE) is None
    still = await describe(temporal_client, names.volume_id(asked))
    assert still is not None
    assert (still.run_id, still.close_time) == (under_way.run_id, None)
    stuck.set()


async def test_other_volumes_are_released_though_nobody_says_how_a_release_ended(
    temporal_client: Client, cluster: Cluster, dead_node: DeadNode, backend: Stubborn
) -> None:
    config = temporal_client.config()
    config["interceptors"] = [NoUnpublishes()]
    client = Client(**config)
    settings = quick(cluster.driver, node_check="csinode", evacuate="off", evacuate_at_once=1, backend="in:tests")
    async with running_worker(client, settings, cluster.proxy.kubeconfig(), backend):
        await dead_node.admit("vol-1", "vol-2", "vol-3")
        await dead_node.taint(TAINT)
        backend.held["vol-1"], backend.kept = asyncio.Event(), {"vol-3"}
        evacuation = await dead_node.evacuate()
        await asyncio.wait_for(backend.reached.wait(), PATIENCE)
        await lose_first_release(dead_node, backend)
        async with asyncio.timeout(PATIENCE):
            while "vol-3" not in (await evacuation.query(names.PROGRESS, result_type=EvacuationProgress)).failed:
                await asyncio.sleep(0.05)
        backend.kept.clear()

        async with asyncio.timeout(PATIENCE):
            while await dead_node.holders("vol-3") != [None]:
                await asyncio.sleep(0.05)
        await evacuation.terminate()

"""The release of a dead node's volumes: one doesn't hinder another, and none is taken from a node that has got it since."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError

from mooring.client import MooringClient
from mooring.devstack.faults import ProxiedRequest
from mooring.evacuation.client import approve
from mooring.models import Approval
from mooring.states import State, meaning
from tests.evacuation.conftest import Stubborn
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, DeadNode, ended
from tests.harness.details import SINCE, details
from tests.harness.kubernetes import Kubernetes
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker, until
from worker import MooringWorker


async def test_a_volume_that_the_backend_keeps_holds_up_no_other_and_is_released_once_it_can_be(
    nurse: MooringWorker, dead_node: DeadNode, backend: Stubborn
) -> None:
    await dead_node.admit("vol-1", "vol-2", "vol-3")
    await dead_node.taint(TAINT)
    backend.kept = {"vol-2"}

    evacuation = await dead_node.evacuate()
    progress = await dead_node.reaches(evacuation, State.EVACUATING, released=2)
    assert progress.total == 3
    assert "vol-2 is busy" in progress.failed["vol-2"]
    assert await dead_node.holders("vol-1", "vol-2", "vol-3") == [None, "node-a", None]
    backend.kept = set()

    assert (await ended(evacuation)).released == 3
    assert await dead_node.holders("vol-2") == [None]


async def test_the_ui_shows_the_release_that_takes_long_and_why_the_node_is_evacuated(
    stuck: asyncio.Event, dead_node: DeadNode
) -> None:
    shown = await details(dead_node.evacuation, "release vol-1")
    stuck.set()

    assert re.search(f"{SINCE}.* release vol-1", shown)
    assert all(each in shown for each in ("node-a", "out-of-service", "2 left", meaning(State.EVACUATING)))


async def test_the_ui_shows_which_volume_is_not_released_and_why(
    nurse: MooringWorker, dead_node: DeadNode, backend: Stubborn
) -> None:
    await dead_node.admit("vol-1", "vol-2")
    await dead_node.taint(TAINT)
    backend.kept = {"vol-2"}

    shown = await details(await dead_node.evacuate(), "volume vol-2", "is busy", "pause")
    backend.kept = set()

    assert re.search(f"{SINCE}.*pause", shown)
    assert "1 volume released, 1 left" in shown
    await ended(dead_node.evacuation)


async def test_a_volume_that_was_published_anew_is_released_by_what_a_fresh_list_says(
    stuck: asyncio.Event, dead_node: DeadNode, mooring: MooringClient, backend: Stubborn
) -> None:
    epoch = (await mooring.publish("vol-2", "node-a")).epoch
    stuck.set()

    assert (await ended(dead_node.evacuation)).released == 2
    assert [call for call in backend.journal if call[:2] == ("unpublish", "vol-2")] == [("unpublish", "vol-2", "node-a", epoch)]


async def test_a_volume_that_another_node_has_got_meanwhile_stays_there(
    stuck: asyncio.Event, dead_node: DeadNode, mooring: MooringClient, cluster: Cluster
) -> None:
    await DeadNode(cluster, dead_node.client, mooring, "node-b", "other").admit()
    await mooring.unpublish("vol-2", "node-a")
    await mooring.publish("vol-2", "node-b")
    stuck.set()

    assert (await ended(dead_node.evacuation)).released == 1
    assert await dead_node.holders("vol-1", "vol-2") == [None, "node-b"]


async def test_a_node_that_is_back_keeps_what_has_not_been_released_yet(stuck: asyncio.Event, dead_node: DeadNode) -> None:
    await dead_node.taint()
    await asyncio.sleep(0.2)
    stuck.set()

    result = await ended(dead_node.evacuation)

    assert (result.state, result.released, result.left) == (State.NOT_NEEDED, 1, 1)
    assert "has stopped" in result.message
    assert "exists" in result.message
    assert await dead_node.holders("vol-1", "vol-2") == [None, "node-a"]


async def test_a_node_that_dies_once_more_while_its_evacuation_stops_is_evacuated_all_the_same(
    temporal_client: Client, cluster: Cluster, driver: str, dead_node: DeadNode, backend: Stubborn
) -> None:
    settings = quick(driver, node_check="csinode", evacuate="off", node_gone=1, evacuate_at_once=2, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend):
        await dead_node.admit("vol-1", "vol-2", "vol-3")
        await dead_node.taint(TAINT)
        backend.held = {volume: asyncio.Event() for volume in ("vol-1", "vol-2")}
        await dead_node.evacuate()
        await asyncio.wait_for(backend.reached.wait(), PATIENCE)
        await dead_node.taint()
        await asyncio.sleep(0.2)
        backend.held["vol-1"].set()
        await dead_node.reaches(dead_node.evacuation, State.EVACUATING, released=1)
        await asyncio.sleep(0.3)
        await dead_node.taint(TAINT)
        await dead_node.evacuate(automatic=True)
        backend.held["vol-2"].set()
        result = await ended(dead_node.evacuation)

    assert (result.state, result.released, result.left) == (State.EVACUATED, 3, 0)


async def test_an_evacuation_that_is_cancelled_releases_no_more(stuck: asyncio.Event, dead_node: DeadNode) -> None:
    await dead_node.evacuation.cancel()
    stuck.set()

    with pytest.raises(WorkflowFailureError) as failed:
        await ended(dead_node.evacuation)

    assert isinstance(failed.value.cause, CancelledError)
    assert await dead_node.holders("vol-2") == ["node-a"]


async def test_a_volume_with_several_pvs_is_released_once(nurse: MooringWorker, dead_node: DeadNode, cluster: Cluster) -> None:
    other = f"other-{cluster.pv('vol-1')}"
    await dead_node.admit("vol-1")
    await cluster.create("vol-1", name=other)
    await until(lambda: len(nurse.manager.pvs("vol-1")) == 2)
    await dead_node.mooring.publish("vol-1", "node-a")
    await dead_node.taint(TAINT)

    result = await ended(await dead_node.evacuate())

    assert (result.released, await dead_node.holders("vol-1")) == (1, [None])
    assert cluster.keys.node not in await cluster.annotations("vol-1", name=other)


async def test_the_volumes_are_listed_in_pages_of_the_size_that_is_set(
    temporal_client: Client, cluster: Cluster, driver: str, dead_node: DeadNode
) -> None:
    settings = quick(driver, node_check="csinode", evacuate="off", page_size=77)
    pages = set[str]()

    def noted(request: ProxiedRequest) -> bool:
        pages.update([request.query["limit"]] if "limit" in request.query else [])
        return False

    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await dead_node.admit("vol-1", "vol-2")
        await dead_node.taint(TAINT)
        cluster.proxy.fail("GET", status=500, path="/persistentvolumes", when=noted)

        assert (await ended(await dead_node.evacuate())).released == 2

    assert pages == {"77"}


async def test_a_volume_without_a_pv_is_released_too(nurse: MooringWorker, dead_node: DeadNode, mooring: MooringClient) -> None:
    await dead_node.admit()
    assert not (await mooring.publish("late", "node-a")).persisted
    await dead_node.taint(TAINT)

    assert (await ended(await dead_node.evacuate())).released == 1


async def test_it_goes_on_in_another_run_where_there_is_much_to_release_and_counts_on(
    one_by_one: MooringWorker, dead_node: DeadNode
) -> None:
    volumes = [f"vol-{number}" for number in range(5)]
    await dead_node.admit(*volumes)
    await dead_node.taint(TAINT)

    evacuation = await dead_node.evacuate(asked_by="ada", releases_a_run=2)
    result = await ended(evacuation)

    first = await anext(evacuation.fetch_history_events(page_size=1))
    assert first.workflow_execution_started_event_attributes.continued_execution_run_id
    assert (result.released, result.left, result.asked_by) == (5, 0, "ada")
    assert "has the taint" in result.evidence
    assert await dead_node.holders(*volumes) == [None] * 5


async def test_a_node_that_is_ready_again_after_an_operator_said_that_it_is_off_keeps_the_rest(
    one_by_one: MooringWorker, dead_node: DeadNode, backend: Stubborn, kubernetes: Kubernetes
) -> None:
    await dead_node.admit("vol-1", "vol-2")
    backend.held["vol-1"] = asyncio.Event()
    evacuation = await dead_node.evacuate()
    await approve(evacuation, Approval(by="ada", reason="the rack has no power"))
    await asyncio.wait_for(backend.reached.wait(), PATIENCE)
    await dead_node.is_well(real=kubernetes.audit is not None)
    await asyncio.sleep(0.2)
    backend.held["vol-1"].set()

    result = await ended(evacuation)

    assert (result.state, result.released, result.left) == (State.NOT_NEEDED, 1, 1)
    assert "Ready again, since ada confirmed that it is off" in result.message
    assert await dead_node.holders("vol-1", "vol-2") == [None, "node-a"]


async def test_no_release_begins_long_after_the_look_that_it_rests_on(
    temporal_client: Client, cluster: Cluster, dead_node: DeadNode
) -> None:
    settings = quick(cluster.driver, node_check="csinode", evacuate="off", backend_budget=300)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await dead_node.admit("vol")
        await dead_node.taint(TAINT)
        evacuation = await dead_node.evacuate()
        await ended(evacuation)

    steps = [event.activity_task_scheduled_event_attributes async for event in evacuation.fetch_history_events()]
    [release] = [step for step in steps if step.activity_type.name == "release_volume"]
    assert release.schedule_to_start_timeout.ToTimedelta() == timedelta(seconds=30)


async def test_strange_volumes_hold_up_no_other(nurse: MooringWorker, dead_node: DeadNode, cluster: Cluster) -> None:
    await dead_node.admit("vol-1")
    await cluster.create("v" * 2048, {cluster.keys.node: "node-a"}, name=cluster.pv("long"))
    await cluster.create("odd", {cluster.keys.node: "node-a", cluster.keys.epoch: "many"})
    await dead_node.taint(TAINT)

    assert (await ended(await dead_node.evacuate())).released == 2

    assert await dead_node.holders("vol-1", "odd") == [None, "node-a"]
    assert cluster.keys.node not in await cluster.annotations("", name=cluster.pv("long"))

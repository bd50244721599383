"""The release of a dead node's volumes: one doesn't hinder another, and none is taken from a node that has got it since."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError

from mooring.client import MooringClient
from mooring.evacuation.client import approve
from mooring.models import Approval
from mooring.states import State
from tests.evacuation.conftest import Stubborn
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, Ward, ended
from tests.harness.kubernetes import Kubernetes
from tests.harness.workers import quick, running_worker, until
from worker import MooringWorker


async def test_a_volume_that_the_backend_keeps_holds_up_no_other_and_is_released_once_it_can_be(
    nurse: MooringWorker, ward: Ward, backend: Stubborn
) -> None:
    await ward.admit("vol-1", "vol-2", "vol-3")
    await ward.taint(TAINT)
    backend.kept = {"vol-2"}

    evacuation = await ward.evacuate()
    progress = await ward.reaches(evacuation, State.EVACUATING, released=2)
    assert progress.total == 3
    assert "vol-2 is busy" in progress.failed["vol-2"]
    assert await ward.holders("vol-1", "vol-2", "vol-3") == [None, "node-a", None]
    backend.kept = set()

    assert (await ended(evacuation)).released == 3
    assert await ward.holders("vol-2") == [None]


async def test_a_volume_that_was_published_anew_is_released_by_what_a_fresh_list_says(
    stuck: asyncio.Event, ward: Ward, mooring: MooringClient, backend: Stubborn
) -> None:
    epoch = (await mooring.publish("vol-2", "node-a")).epoch
    stuck.set()

    assert (await ended(ward.evacuation)).released == 2
    assert [call for call in backend.journal if call[:2] == ("unpublish", "vol-2")] == [("unpublish", "vol-2", "node-a", epoch)]


async def test_a_volume_that_another_node_has_got_meanwhile_stays_there(
    stuck: asyncio.Event, ward: Ward, mooring: MooringClient, cluster: Cluster
) -> None:
    await Ward(cluster, ward.client, mooring, "node-b", "other").admit()
    await mooring.unpublish("vol-2", "node-a")
    await mooring.publish("vol-2", "node-b")
    stuck.set()

    assert (await ended(ward.evacuation)).released == 1
    assert await ward.holders("vol-1", "vol-2") == [None, "node-b"]


async def test_a_node_that_is_back_keeps_what_has_not_been_released_yet(stuck: asyncio.Event, ward: Ward) -> None:
    await ward.taint()
    await asyncio.sleep(0.2)
    stuck.set()

    result = await ended(ward.evacuation)

    assert (result.state, result.released, result.left) == (State.NOT_NEEDED, 1, 1)
    assert "has stopped" in result.message
    assert "is there" in result.message
    assert await ward.holders("vol-1", "vol-2") == [None, "node-a"]


async def test_a_node_that_dies_once_more_while_its_evacuation_stops_is_evacuated_all_the_same(
    temporal_client: Client, cluster: Cluster, driver: str, ward: Ward, backend: Stubborn
) -> None:
    settings = quick(driver, node_check="csinode", evacuate="off", node_gone=1, evacuate_at_once=2, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend):
        await ward.admit("vol-1", "vol-2", "vol-3")
        await ward.taint(TAINT)
        backend.held = {volume: asyncio.Event() for volume in ("vol-1", "vol-2")}
        await ward.evacuate()
        await asyncio.wait_for(backend.reached.wait(), 30)
        await ward.taint()
        await asyncio.sleep(0.2)
        backend.held["vol-1"].set()
        await ward.reaches(ward.evacuation, State.EVACUATING, released=1)
        await asyncio.sleep(0.3)
        await ward.taint(TAINT)
        await ward.evacuate(automatic=True)
        backend.held["vol-2"].set()
        result = await ended(ward.evacuation)

    assert (result.state, result.released, result.left) == (State.EVACUATED, 3, 0)


async def test_an_evacuation_that_is_cancelled_releases_no_more(stuck: asyncio.Event, ward: Ward) -> None:
    await ward.evacuation.cancel()
    stuck.set()

    with pytest.raises(WorkflowFailureError) as failed:
        await ended(ward.evacuation)

    assert isinstance(failed.value.cause, CancelledError)
    assert await ward.holders("vol-2") == ["node-a"]


async def test_a_volume_with_several_pvs_is_released_once(nurse: MooringWorker, ward: Ward, cluster: Cluster) -> None:
    other = f"other-{cluster.pv('vol-1')}"
    await ward.admit("vol-1")
    await cluster.create("vol-1", name=other)
    await until(lambda: len(nurse.manager.pvs("vol-1")) == 2)
    await ward.mooring.publish("vol-1", "node-a")
    await ward.taint(TAINT)

    result = await ended(await ward.evacuate())

    assert (result.released, await ward.holders("vol-1")) == (1, [None])
    assert cluster.keys.node not in await cluster.annotations("vol-1", name=other)


async def test_a_volume_without_a_pv_is_released_too(nurse: MooringWorker, ward: Ward, mooring: MooringClient) -> None:
    await ward.admit()
    assert not (await mooring.publish("late", "node-a")).persisted
    await ward.taint(TAINT)

    assert (await ended(await ward.evacuate())).released == 1


async def test_it_goes_on_in_another_run_where_there_is_much_to_release_and_counts_on(
    one_by_one: MooringWorker, ward: Ward
) -> None:
    volumes = [f"vol-{number}" for number in range(5)]
    await ward.admit(*volumes)
    await ward.taint(TAINT)

    evacuation = await ward.evacuate(asked_by="ada", releases_a_run=2)
    result = await ended(evacuation)

    first = await anext(evacuation.fetch_history_events(page_size=1))
    assert first.workflow_execution_started_event_attributes.continued_execution_run_id
    assert (result.released, result.left, result.asked_by) == (5, 0, "ada")
    assert "bears the taint" in result.evidence
    assert await ward.holders(*volumes) == [None] * 5


async def test_a_node_that_is_ready_again_after_an_operator_said_that_it_is_off_keeps_the_rest(
    one_by_one: MooringWorker, ward: Ward, backend: Stubborn, kubernetes: Kubernetes
) -> None:
    await ward.admit("vol-1", "vol-2")
    backend.held["vol-1"] = asyncio.Event()
    evacuation = await ward.evacuate()
    await approve(evacuation, Approval(by="ada", reason="the rack has no power"))
    await asyncio.wait_for(backend.reached.wait(), 30)
    await ward.is_well(real=kubernetes.audit is not None)
    await asyncio.sleep(0.2)
    backend.held["vol-1"].set()

    result = await ended(evacuation)

    assert (result.state, result.released, result.left) == (State.NOT_NEEDED, 1, 1)
    assert "Ready again, since ada said that it is off" in result.message
    assert await ward.holders("vol-1", "vol-2") == [None, "node-a"]


async def test_no_release_begins_long_after_the_look_that_it_rests_on(
    temporal_client: Client, cluster: Cluster, ward: Ward
) -> None:
    settings = quick(cluster.driver, node_check="csinode", evacuate="off", backend_budget=300)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await ward.admit("vol")
        await ward.taint(TAINT)
        evacuation = await ward.evacuate()
        await ended(evacuation)

    steps = [event.activity_task_scheduled_event_attributes async for event in evacuation.fetch_history_events()]
    [release] = [step for step in steps if step.activity_type.name == "release_volume"]
    assert release.schedule_to_start_timeout.ToTimedelta() == timedelta(seconds=30)


async def test_strange_volumes_hold_up_no_other(nurse: MooringWorker, ward: Ward, cluster: Cluster) -> None:
    await ward.admit("vol-1")
    await cluster.create("v" * 2048, {cluster.keys.node: "node-a"}, name=cluster.pv("long"))
    await cluster.create("odd", {cluster.keys.node: "node-a", cluster.keys.epoch: "many"})
    await ward.taint(TAINT)

    assert (await ended(await ward.evacuate())).released == 2

    assert await ward.holders("vol-1", "odd") == [None, "node-a"]
    assert cluster.keys.node not in await cluster.annotations("", name=cluster.pv("long"))

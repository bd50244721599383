"""The release of an attachment that waits for its PV is bound to what was listed."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import HeldElsewhere
from mooring.models import PersistInput, UnpublishRequest, VolumeRef
from mooring.states import State
from mooring.temporal.visibility import RunVisibility
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, DeadNode, ended
from tests.harness.patience import PATIENCE
from tests.harness.records import attachment
from worker import MooringWorker

THOUSAND = 1_001
"""More volumes than a page of a list has."""


async def waiting_run(client: Client, driver: str) -> str:
    """Return the run in which the volume waits, once visibility shows it."""
    runs = RunVisibility(client, driver, search_attributes=True)
    async with asyncio.timeout(PATIENCE):
        while not (found := await runs.waiting()):
            await asyncio.sleep(0.05)
    return found["late"].run_id


async def release(mooring: MooringClient, driver: str, run_id: str) -> tuple[str, ...]:
    """Release what waits in this run; return the nodes that let go of it."""
    asked = UnpublishRequest(driver=driver, volume_handle="late", node_id="node-a", at_run=run_id)
    return (await mooring.request_unpublish(asked)).released


async def have_wait(client: Client, driver: str, node: str, volumes: int) -> None:
    """Have so many volumes wait for their PVs on the node: open runs that no worker carries on, and which end by themselves."""
    turns = asyncio.Semaphore(50)

    async def begin(number: int) -> None:
        volume, held = VolumeRef(driver=driver, volume_handle=f"{node}-{number}"), attachment(node)
        async with turns:
            await client.start_workflow(
                names.PERSIST,
                PersistInput(volume=volume, attachment=held, operation=str(uuid.uuid4())),
                id=names.unpersisted_id(volume),
                task_queue=f"nobody-{driver}",
                memo={names.ATTACHMENT_MEMO: held},
                execution_timeout=timedelta(minutes=5),
            )

    await asyncio.gather(*map(begin, range(volumes)))


async def test_an_evacuation_sees_each_of_a_thousand_volumes_that_wait_for_their_pvs(
    nurse: MooringWorker, dead_node: DeadNode, cluster: Cluster
) -> None:
    await dead_node.admit()
    await have_wait(dead_node.client, cluster.driver, "node-a", THOUSAND)
    await have_wait(dead_node.client, cluster.driver, "node-b", 1)
    runs = RunVisibility(dead_node.client, cluster.driver, search_attributes=True)
    async with asyncio.timeout(PATIENCE):
        while len(await runs.waiting()) <= THOUSAND:  # visibility lags
            await asyncio.sleep(0.2)

    await dead_node.taint(TAINT)

    await dead_node.reaches(await dead_node.evacuate(), State.EVACUATING, total=THOUSAND)


async def test_what_waits_in_another_run_than_the_one_that_was_listed_stays(
    nurse: MooringWorker, dead_node: DeadNode, mooring: MooringClient, cluster: Cluster
) -> None:
    await dead_node.admit()
    await mooring.publish("late", "node-a")
    listed = await waiting_run(dead_node.client, cluster.driver)
    await mooring.unpublish("late", "node-a")
    await mooring.publish("late", "node-a")

    assert await release(mooring, cluster.driver, listed) == ()

    await DeadNode(cluster, dead_node.client, mooring, "node-b", "other").admit()
    with pytest.raises(HeldElsewhere, match="held by node node-a"):
        await mooring.publish("late", "node-b")


async def test_what_has_been_recorded_since_it_was_listed_stays(
    nurse: MooringWorker, dead_node: DeadNode, mooring: MooringClient, cluster: Cluster
) -> None:
    await dead_node.admit()
    await mooring.publish("late", "node-a")
    listed = await waiting_run(dead_node.client, cluster.driver)
    await cluster.create("late")
    async with asyncio.timeout(PATIENCE):
        while await cluster.holder("late") is None:
            await asyncio.sleep(0.05)

    assert await release(mooring, cluster.driver, listed) == ()
    assert await dead_node.holders("late") == ["node-a"]


async def test_what_waits_in_the_run_that_was_listed_is_released(
    nurse: MooringWorker, dead_node: DeadNode, mooring: MooringClient, cluster: Cluster
) -> None:
    await dead_node.admit()
    await mooring.publish("late", "node-a")

    assert await release(mooring, cluster.driver, await waiting_run(dead_node.client, cluster.driver)) == ("node-a",)


async def test_an_evacuation_waits_for_an_open_publish_and_does_not_cancel_it(
    nurse: MooringWorker, dead_node: DeadNode, mooring: MooringClient, cluster: Cluster, backend: JournalBackend
) -> None:
    await dead_node.admit()
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("late", "node-a"))
    await waiting_run(dead_node.client, cluster.driver)
    await dead_node.taint(TAINT)
    evacuation = await dead_node.evacuate()
    await dead_node.reaches(evacuation, State.EVACUATING, total=1)
    await asyncio.sleep(0.5)
    backend.publish_gate.set()

    assert not (await publish).persisted
    assert (await ended(evacuation)).released == 1

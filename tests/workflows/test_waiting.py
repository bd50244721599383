"""An attachment that waits for its PV is neither forgotten nor overtaken, whatever happens to the run that keeps it."""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.unpersisted import UnpersistedActivities
from mooring import names
from mooring.client import MooringClient
from mooring.devstack.faults import Loss
from mooring.errors import HeldElsewhere
from mooring.models import PersistInput, RunRef, VolumeRecord, VolumeRef
from tests.harness.cluster import Cluster
from tests.harness.details import SINCE, details
from tests.harness.patience import PATIENCE
from tests.harness.records import attachment, record
from tests.harness.workers import indexed
from worker import MooringWorker


def volume(cluster: Cluster) -> VolumeRef:
    return VolumeRef(driver=cluster.driver, volume_handle="vol")


def waiting_run(client: Client, cluster: Cluster) -> WorkflowHandle[object, object]:
    """Return the newest run that holds the volume without a PV."""
    return client.get_workflow_handle(names.unpersisted_id(volume(cluster)))


def unpersisted(client: Client, worker: MooringWorker, *, waits: int) -> UnpersistedActivities:
    return UnpersistedActivities(client, worker.manager, worker.context.clientset.volumes, worker.context.evidence, waits)


async def ended(run: WorkflowHandle[object, object]) -> None:
    """Wait until the run has ended, however it does."""
    await asyncio.wait([asyncio.create_task(run.result())], timeout=PATIENCE)


async def recorded(cluster: Cluster) -> str:
    """Return the first holder that the PV records."""
    async with asyncio.timeout(PATIENCE):
        while (holder := await cluster.holder("vol")) is None:
            await asyncio.sleep(0.05)
    return holder


async def test_an_unpublish_finds_the_run_whose_answer_was_lost(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    lost = cluster.proxy.lose_answer("PATCH", loss=Loss.HANG, times=1)
    await mooring.publish("vol", "node-a")
    await cluster.create("vol")
    assert await lost.landed() == 200

    await mooring.unpublish("vol", "node-a")
    await ended(waiting_run(temporal_client, cluster))

    assert await cluster.holder("vol") is None


async def test_a_pv_that_comes_with_an_epoch_lets_nobody_else_in(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    held = cluster.proxy.hold("PATCH", when=lambda request: b"node-a" in request.body)
    await mooring.publish("vol", "node-a")
    await cluster.create("vol", {cluster.keys.epoch: "8"})
    await held.reached()

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")


async def test_a_run_whose_pv_cannot_be_read_goes_on_waiting(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await mooring.publish("vol", "node-a")
    await cluster.create("vol", {cluster.keys.epoch: "seven"})
    await asyncio.sleep(2)

    await cluster.annotate("vol", {cluster.keys.epoch: "7"})

    assert await recorded(cluster) == "node-a"


async def test_a_late_attempt_to_drop_a_run_leaves_the_next_ones_alone(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    first = (await waiting_run(temporal_client, cluster).describe()).run_id
    await mooring.unpublish("vol", "node-a")
    await mooring.publish("vol", "node-b")

    activities = unpersisted(temporal_client, worker, waits=1)
    await ActivityEnvironment().run(activities.drop, RunRef(volume=volume(cluster), run_id=first))

    with pytest.raises(HeldElsewhere, match="node-b"):
        await mooring.publish("vol", "node-a")


async def test_an_unpublish_without_a_pv_ends_while_the_api_server_is_out(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await mooring.publish("vol", "node-a")

    with cluster.proxy.outage():
        result = await mooring.unpublish("vol", "node-a")

    assert result.released == ("node-a",)


async def test_a_run_that_ends_shows_how(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    await cluster.create("vol")
    run = waiting_run(temporal_client, cluster)
    await ended(run)

    found = (await run.describe()).typed_search_attributes

    assert found[SearchAttributeKey.for_keyword(names.ATTACHMENT_STATE)] == "Attached"


async def test_where_many_wait_a_further_one_occupies_no_worker_until_its_pv_is_there(
    worker: MooringWorker, cluster: Cluster, temporal_client: Client
) -> None:
    activities = unpersisted(temporal_client, worker, waits=0)
    waiting = PersistInput(volume=volume(cluster), attachment=attachment("node-a"), operation="publish-1")

    slot = ActivityEnvironment()
    slot.info = replace(slot.info, workflow_run_id=str(uuid.uuid4()))

    with pytest.raises(ApplicationError, match="like many others"):
        await slot.run(activities.wait, waiting)
    await cluster.create("vol")
    await indexed(worker, "vol")

    assert (await slot.run(activities.wait, waiting)).holders == ()


async def held_off(worker: MooringWorker, cluster: Cluster) -> None:
    """Create the PV with a record of another program, which names another node without a time."""
    await cluster.create("vol", {cluster.keys.node: "node-b"})
    await indexed(worker, "vol")


def later_attempt() -> ActivityEnvironment:
    """Return the environment of a wait's second attempt, in another run."""
    slot = ActivityEnvironment()
    slot.info = replace(slot.info, workflow_run_id=str(uuid.uuid4()), attempt=2)
    return slot


async def test_a_worker_that_shuts_down_gives_up_the_wait_for_a_holder_of_whom_nobody_says_since_when(
    worker: MooringWorker, cluster: Cluster, temporal_client: Client
) -> None:
    await held_off(worker, cluster)
    activities, slot = unpersisted(temporal_client, worker, waits=1), later_attempt()
    waiting = PersistInput(volume=volume(cluster), attachment=attachment("node-a"), operation="publish-1")
    slot.worker_shutdown()

    with pytest.raises(ApplicationError, match="held by node node-b"):
        async with asyncio.timeout(PATIENCE):
            await slot.run(activities.wait, waiting)


async def test_a_volume_that_is_held_off_and_has_no_share_of_the_slots_is_looked_at_again_after_a_minute(
    worker: MooringWorker, cluster: Cluster, temporal_client: Client
) -> None:
    await held_off(worker, cluster)
    activities, slot = unpersisted(temporal_client, worker, waits=0), later_attempt()
    waiting = PersistInput(volume=volume(cluster), attachment=attachment("node-a"), operation="publish-1")

    with pytest.raises(ApplicationError, match="held by node node-b") as refused:
        await slot.run(activities.wait, waiting)

    assert (refused.value.next_retry_delay, refused.value.non_retryable) == (timedelta(minutes=1), False)


async def test_the_ui_shows_the_pv_that_a_holder_without_one_waits_for_and_since_when(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")

    shown = await details(waiting_run(temporal_client, cluster), "wait for a PV")

    assert re.search(f"{SINCE}.*wait for a PV to record node-a on", shown)
    assert "`mooring unpublish vol node-a`" in shown


async def test_the_ui_shows_who_keeps_a_holder_off_the_pv_that_a_worker_of_another_version_has_found(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    run = waiting_run(temporal_client, cluster)
    await details(run, "wait for a PV")

    await answer_the_wait(temporal_client, run, record("node-b"))

    shown = await details(run, "pause before another look at the PV")
    assert "node-b" in shown


async def answer_the_wait(client: Client, run: WorkflowHandle[object, object], found: VolumeRecord) -> None:
    """Answer the run's wait for a PV as 0.1.0 does: with any PV's record."""
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    [step] = [
        event.activity_task_scheduled_event_attributes.activity_id
        async for event in run.fetch_history_events()
        if event.event_type == scheduled and event.activity_task_scheduled_event_attributes.activity_type.name == "wait_for_volume"
    ]
    await client.get_async_activity_handle(workflow_id=run.id, run_id=None, activity_id=step).complete(found)

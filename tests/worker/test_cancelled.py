"""An operation that is cancelled while the worker of its step is dead ends as one that was cancelled."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError

from mooring import names
from mooring.client import MooringClient
from mooring.errors import OperationCancelled
from mooring.models import VolumeRef
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.processes import Fleet, backed

SLOW = {"heartbeat_timeout": 12, "backend_timeout": 60, "backend_budget": 60}
"""The step of the dead worker counts as lost only once the next one has been told of the cancellation."""


@pytest.mark.parametrize("verb", ["publish", "unpublish"])
async def test_an_operation_ends_as_cancelled_though_the_worker_of_its_step_is_dead(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, temporal_client: Client, verb: str
) -> None:
    await cluster.create("vol")
    first = await (await fleet.start(**backed(**SLOW))).ready()
    if verb == "unpublish":
        await mooring.publish("vol", "node-a")
    fleet.journal.hold(verb, "vol")
    asked = mooring.publish if verb == "publish" else mooring.unpublish
    operation = asyncio.create_task(asked("vol", "node-a", deadline=60))
    await fleet.journal.reached(verb, "vol")
    await first.child.kill()
    fleet.journal.release(verb, "vol")
    await (await fleet.start(**backed(**SLOW))).ready()
    await temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol"))).cancel()

    with pytest.raises(OperationCancelled):
        await operation
    kept = None if verb == "publish" else "node-a"
    assert (await cluster.holder("vol"), fleet.journal.attached("vol")) == (kept, {kept} - {None})


async def test_a_hold_ends_as_cancelled_though_the_worker_that_waits_for_its_pv_is_dead(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    first = await (await fleet.start(**backed(**SLOW))).ready()
    await mooring.publish("vol", "node-a")
    hold = temporal_client.get_workflow_handle(names.unpersisted_id(VolumeRef(driver=cluster.driver, volume_handle="vol")))
    async with asyncio.timeout(PATIENCE):
        while not [each async for each in hold.fetch_history_events() if names_the_wait(each)]:
            await asyncio.sleep(0.05)
    await first.child.kill()
    await (await fleet.start(**backed(**SLOW))).ready()
    await hold.cancel()

    with pytest.raises(WorkflowFailureError) as ended:
        await hold.result()
    assert isinstance(ended.value.cause, CancelledError)


def names_the_wait(event: HistoryEvent) -> bool:
    """Return whether the event is that of the wait for a PV, which begins."""
    return event.activity_task_scheduled_event_attributes.activity_type.name == "wait_for_volume"

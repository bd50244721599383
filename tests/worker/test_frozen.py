"""A worker that is frozen (SIGSTOP, a paused virtual machine) with a healthy one beside it: its tasks, and those that its open
polls get, are recovered, and within the time that a CO waits. Awake, it writes nothing for what has ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.service import RPCError

from mooring import names
from mooring.client import MooringClient
from mooring.models import UnpublishRequest, VolumeRef
from mooring.settings import Settings
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.processes import Fleet, OwnChild, WorkerProcess, backed

HANDLES: Final = ("vol-0", "vol-1", "vol-2")
AS_SHIPPED: Final = {
    name: Settings.model_fields[name].default
    for name in ("attempt_timeout", "heartbeat_timeout", "publish_budget", "backend_timeout", "backend_budget")
}
IDLE: Final = 2
"""Seconds after which a worker without work polls again, so that a task is handed out to it though it be frozen."""
BOUND: Final = 20
"""Seconds: a CO's patience of 15, and what a busy machine adds. An open poll too many costs an operation another 3 or 4."""


@contextmanager
def frozen(worker: WorkerProcess[OwnChild]) -> Iterator[None]:
    """Stop the worker while the block lasts."""
    os.kill(worker.child.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker.child.process.pid, signal.SIGCONT)


async def test_operations_of_a_worker_that_freezes_go_on_in_another(fleet: Fleet, cluster: Cluster, mooring: MooringClient) -> None:
    await asyncio.gather(*map(cluster.create, HANDLES))
    for handle in HANDLES:
        fleet.journal.hold("publish", handle)
    clock = asyncio.get_running_loop().time
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(fleet.own(**backed(**AS_SHIPPED)))
        await first.ready()
        publishes = [asyncio.create_task(mooring.publish(handle, "node-a", deadline=120)) for handle in HANDLES]
        await asyncio.gather(*(fleet.journal.reached("publish", handle) for handle in HANDLES))
        second = await stack.enter_async_context(fleet.own(**backed(**AS_SHIPPED)))
        await second.ready()
        with frozen(first):
            began = clock()
            for handle in HANDLES:
                fleet.journal.release("publish", handle)
            await asyncio.gather(*publishes)
            took = clock() - began

    assert took < BOUND
    assert [fleet.journal.attached(handle) for handle in HANDLES] == [{"node-a"}] * len(HANDLES)


async def test_a_worker_that_wakes_up_writes_nothing_for_an_operation_that_has_ended(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await asyncio.gather(*map(cluster.create, ("vol", "another")))
    async with fleet.own() as first:
        await first.ready()
        await asyncio.sleep(IDLE)
        with frozen(first):
            publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=PATIENCE))
            await _handed_out(temporal_client, cluster.driver)
            async with fleet.own() as second:
                await second.ready()
                await mooring.unpublish("vol", "node-a")
                await asyncio.wait([publish])
        await mooring.publish("another", "node-a", deadline=PATIENCE)  # it is awake, and does what it is handed
    assert publish.exception() is not None
    assert await cluster.holder("vol") is None


async def test_nor_does_it_release_what_was_published_again_since(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await asyncio.gather(*map(cluster.create, ("vol", "another")))
    async with fleet.own() as first:
        await first.ready()
        seen = await mooring.publish("vol", "node-a", deadline=PATIENCE)
        asked = UnpublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-a", at_epoch=seen.epoch)
        await asyncio.sleep(IDLE)
        with frozen(first):
            release = asyncio.create_task(mooring.request_unpublish(asked, deadline=PATIENCE))
            await _handed_out(temporal_client, cluster.driver, names.UNPUBLISH)
            async with fleet.own() as second:
                await second.ready()
                released = (await release).released
                again = await mooring.publish("vol", "node-a", deadline=PATIENCE)
        await mooring.publish("another", "node-a", deadline=PATIENCE)  # it is awake, and does what it is handed
    assert (released, await cluster.holder("vol"), await cluster.epoch("vol")) == (("node-a",), "node-a", again.epoch)


async def _handed_out(client: Client, driver: str, workflow: str = names.PUBLISH) -> None:
    """Wait until a worker has the first task of the volume's operation, which is this `workflow`."""
    run = client.get_workflow_handle(names.volume_id(VolumeRef(driver=driver, volume_handle="vol")))
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(RPCError):  # there is no run yet
                first, *others = (await run.fetch_history()).events
                begun = first.workflow_execution_started_event_attributes.workflow_type.name == workflow
                if begun and EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED in [event.event_type for event in others]:
                    return
            await asyncio.sleep(0.05)

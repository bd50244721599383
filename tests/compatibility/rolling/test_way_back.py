"""After a way back, the version before can't carry on what it doesn't know; that keeps no volume locked for good."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from mooring import names
from mooring.client import MooringClient
from mooring.models import UnpublishRequest, UnpublishResult
from mooring.settings import default_task_queue
from mooring.temporal.operations import BOUND
from tests.harness.cluster import Cluster
from tests.harness.processes import Fleet, backed
from worker import MooringWorker

DEADLINE = 60
STUCK = "ExecutionStatus = 'Running' AND TemporalReportedProblems IN ('category=WorkflowTaskFailed')"
"""The query of docs/operations.md that lists what no worker can carry on."""
Unpublish = WorkflowHandle[object, UnpublishResult]


async def begin(client: Client, cluster: Cluster, run_timeout: timedelta | None) -> Unpublish:
    """Begin an unpublish of `vol` from `node-a` as an evacuation does, bound to the record's epoch."""
    asked = UnpublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-a", at_epoch=await cluster.epoch("vol"))
    started = await client.start_workflow(
        names.UNPUBLISH,
        asked,
        id=names.volume_id(asked),
        task_queue=default_task_queue(cluster.driver),
        task_timeout=names.TASK_TIMEOUT,
        run_timeout=run_timeout,
    )
    return client.get_workflow_handle(started.id, run_id=started.result_run_id, result_type=UnpublishResult)


async def failed_at(run: Unpublish) -> None:
    """Wait until a worker has failed at the run's history."""
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    async with asyncio.timeout(DEADLINE):
        while not any(event.event_type == failed for event in (await run.fetch_history()).events):
            await asyncio.sleep(0.1)


async def listed(client: Client, query: str, run: Unpublish) -> None:
    """Wait until the query lists the run, and no other."""
    async with asyncio.timeout(DEADLINE):
        while [each.run_id async for each in client.list_workflows(query)] != [run.run_id]:
            await asyncio.sleep(0.2)


async def cut_off(fleet: Fleet, cluster: Cluster, mooring: MooringClient, client: Client, ends: timedelta | None) -> Unpublish:
    """Return an unpublish that this version has begun, and whose only worker was killed while the backend detached."""
    await cluster.create("vol")
    async with fleet.own(**backed()) as new:
        await new.ready()
        await mooring.publish("vol", "node-a", deadline=DEADLINE)
        fleet.journal.hold("unpublish", "vol")
        run = await begin(client, cluster, ends)
        await fleet.journal.reached("unpublish", "vol")
        new.child.process.kill()
        await new.child.process.wait()
    fleet.journal.release("unpublish", "vol")
    return run


async def test_an_unpublish_that_an_evacuation_began_ends_by_itself(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, before: Path, temporal_client: Client
) -> None:
    run = await cut_off(fleet, cluster, mooring, temporal_client, ends=timedelta(seconds=20))
    async with fleet.own(before, **backed()):
        waits = asyncio.create_task(mooring.unpublish("vol", "node-a", deadline=DEADLINE))
        await failed_at(run)

        assert (await waits).annotation_cleared
    assert (await run.describe()).status == WorkflowExecutionStatus.TIMED_OUT
    assert (fleet.journal.attached("vol"), await cluster.holder("vol")) == (set(), None)


async def test_an_operator_ends_it_sooner(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, before: Path, temporal_client: Client
) -> None:
    run = await cut_off(fleet, cluster, mooring, temporal_client, ends=BOUND)
    async with fleet.own(before, **backed()):
        waits = asyncio.create_task(mooring.unpublish("vol", "node-a", deadline=2 * DEADLINE))
        await listed(temporal_client, f"{STUCK} AND CsiDriver = '{cluster.driver}'", run)
        await run.terminate("the version before can't carry it on")

        assert (await waits).annotation_cleared
    assert (fleet.journal.attached("vol"), await cluster.holder("vol")) == (set(), None)


async def test_its_time_is_bounded_and_that_of_a_callers_own_is_not(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    bounds = []
    for epoch in (await cluster.epoch("vol"), None):
        asked = UnpublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-a", at_epoch=epoch)
        await mooring.request_unpublish(asked)
        run = await temporal_client.get_workflow_handle(names.volume_id(asked)).describe()
        bounds.append(run.raw_description.execution_config.workflow_run_timeout.ToTimedelta())

    assert bounds == [BOUND, timedelta()]

"""`mooring explain` about a run whose workflow task keeps failing, on real servers."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

import pytest
from temporalio import activity, workflow
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker

from mooring import names
from mooring.client import MooringClient
from mooring.devstack.temporal import temporal_command
from mooring.models import PublishRequest, VolumeRef
from mooring.settings import default_task_queue
from mooring.temporal.pollers import Polls
from tests.cli.conftest import Mooring, Ran
from tests.harness.cluster import Cluster
from tests.harness.holds import operation_of
from tests.harness.patience import PATIENCE
from worker import MooringWorker

Lost: TypeAlias = Callable[[int], Awaitable[None]]


@workflow.defn(name=names.PUBLISH, sandboxed=False)
class Unable:
    """A publish of a version that can't carry on."""

    @workflow.run
    async def run(self, _: PublishRequest) -> None:
        """Fail the workflow task."""
        raise RuntimeError("this worker knows no such step")


@workflow.defn(name=names.PUBLISH, sandboxed=False)
class Another:
    """A publish of a version whose first steps are others, some workflow tasks ago."""

    @workflow.run
    async def run(self, _: PublishRequest) -> None:
        """Complete several workflow tasks, and wait."""
        await workflow.sleep(0.001)
        await workflow.sleep(0.001)
        await workflow.wait_condition(lambda: False)


@activity.defn
async def nothing() -> None:
    """Do nothing, in place of any step."""


@pytest.fixture
async def unable(temporal_client: Client, cluster: Cluster, mooring: MooringClient) -> AsyncIterator[str]:
    """The run id of a publish that no worker can carry on."""
    await cluster.create("vol")
    polls = Polls(temporal_client, "other-worker", 1, [], pytest.fail)
    async with polls.polling(default_task_queue(cluster.driver), [Unable], [nothing], 1):
        publish = asyncio.create_task(mooring.publish("vol", "node-a"))
        started = temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol")))
        async with asyncio.timeout(PATIENCE):
            while not await _fails(started):
                await asyncio.sleep(0.1)
        run = await operation_of(temporal_client, cluster)
        yield run.run_id or ""
        await run.terminate()
        await asyncio.gather(publish, return_exceptions=True)


@pytest.fixture
async def begun(temporal_client: Client, cluster: Cluster, mooring: MooringClient) -> AsyncIterator[str]:
    """The run id of a publish that another version of Mooring has begun, and no worker of that is left."""
    await cluster.create("vol")
    polls = Polls(temporal_client, "other-worker", 1, [], pytest.fail)
    async with polls.polling(default_task_queue(cluster.driver), [Another], [nothing], 1):
        publish = asyncio.create_task(mooring.publish("vol", "node-a"))
        started = temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol")))
        async with asyncio.timeout(PATIENCE):
            while await _completed(started) < 3:
                await asyncio.sleep(0.1)
    run = await operation_of(temporal_client, cluster)
    yield run.run_id or ""
    publish.cancel()
    await asyncio.gather(publish, return_exceptions=True)


async def _completed(run: WorkflowHandle[object, object]) -> int:
    """Return the number of workflow tasks that the run has completed."""
    try:
        return [event.HasField("workflow_task_completed_event_attributes") async for event in run.fetch_history_events()].count(
            True
        )
    except RPCError:
        return 0


async def _fails(run: WorkflowHandle[object, object]) -> bool:
    """Return whether the run has begun, and a workflow task of it has failed."""
    try:
        return (await run.describe()).raw_description.pending_workflow_task.attempt > 1
    except RPCError:
        return False


async def explained(look: Mooring) -> Ran:
    """Return the explanation of the volume."""
    return await look("explain", "vol", "-o", "json")


async def test_the_run_is_named_with_its_cause_and_what_to_do(unable: str, look: Mooring) -> None:
    ran = await explained(look)

    [advice] = ran.data["what_to_do"]
    assert advice["situation"] == "workflow-task-fails"
    assert unable in advice["says"]
    assert "this worker knows no such step" in advice["says"]
    assert "kubectl -n mooring logs deploy/mooring-worker" in advice["commands"]
    assert f"--run-id {unable} --type FirstWorkflowTask" in advice["commands"][1]


async def test_the_command_brings_a_run_on_that_another_version_has_begun(
    begun: str, temporal_client: Client, cluster: Cluster, look: Mooring, worker: MooringWorker, environment: dict[str, str]
) -> None:
    run = await operation_of(temporal_client, cluster)
    await run.signal("a reason to go on")
    async with asyncio.timeout(PATIENCE):
        while not await _fails(run):
            await asyncio.sleep(0.1)
    [advice] = (await explained(look)).data["what_to_do"]
    assert "Nondeterminism error" in advice["says"]

    program, *arguments = shlex.split(advice["commands"][1])
    assert program == "temporal"
    reset = await asyncio.create_subprocess_exec(temporal_command(), *arguments, env={**os.environ, **environment})

    assert await asyncio.wait_for(reset.wait(), PATIENCE) == 0
    async with asyncio.timeout(PATIENCE):
        await (await operation_of(temporal_client, cluster)).result()
    assert await cluster.holder("vol") == "node-a"


@pytest.mark.parametrize("times", [1, 2])
async def test_a_run_whose_worker_was_killed_waits_for_another(lost: Lost, look: Mooring, times: int) -> None:
    await lost(times)

    [advice] = (await explained(look)).data["what_to_do"]

    assert advice["situation"] == "no-worker"


@pytest.mark.parametrize(("times", "situation"), [(1, "under-way"), (2, "workflow-task-fails")])
async def test_a_run_that_workers_lose_again_and_again_can_not_go_on(
    lost: Lost, temporal_client: Client, cluster: Cluster, look: Mooring, times: int, situation: str
) -> None:
    async with Worker(temporal_client, task_queue=default_task_queue(cluster.driver), activities=[nothing]):
        await lost(times)
        async with asyncio.timeout(PATIENCE):
            while not (told := (await explained(look)).data)["workers"]:
                await asyncio.sleep(0.1)

    assert [advice["situation"] for advice in told["what_to_do"]] == [situation]


@pytest.fixture
async def lost(temporal_client: Client, cluster: Cluster) -> AsyncIterator[Lost]:
    """`await lost(2)` begins a publish, whose first two workers are killed with its workflow task."""
    await cluster.create("vol")
    queue = default_task_queue(cluster.driver)
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    asked = PublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-a")
    run = await temporal_client.start_workflow(
        names.PUBLISH, asked, id=names.volume_id(volume), task_queue=queue, task_timeout=timedelta(seconds=1)
    )

    async def lose(times: int) -> None:
        for _ in range(times):
            await _take_and_die(temporal_client, queue)
        async with asyncio.timeout(PATIENCE):
            while (await run.describe()).raw_description.pending_workflow_task.attempt <= times:
                await asyncio.sleep(0.1)

    yield lose
    await run.terminate()


async def _take_and_die(client: Client, queue: str) -> None:
    """Take the next workflow task, as a worker does that is killed before it answers."""
    asked = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), identity="killed")
    taken = await client.workflow_service.poll_workflow_task_queue(asked, timeout=timedelta(seconds=PATIENCE))
    assert taken.task_token


async def test_people_read_it_on_the_page(unable: str, look: Mooring) -> None:
    page = " ".join((await look("explain", "vol")).out.split())

    assert f"Run {unable} of" in page
    assert "nothing has failed" not in page

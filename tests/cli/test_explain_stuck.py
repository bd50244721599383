"""`mooring explain` about a run whose workflow task keeps failing, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from mooring import names
from mooring.client import MooringClient
from mooring.models import PublishRequest, VolumeRef
from mooring.settings import default_task_queue
from mooring.temporal.pollers import Polls
from tests.cli.conftest import Mooring, Ran
from tests.harness.cluster import Cluster
from tests.harness.holds import SECONDS, operation_of


@workflow.defn(name=names.PUBLISH, sandboxed=False)
class Unable:
    """A publish of a version that can't carry on."""

    @workflow.run
    async def run(self, _: PublishRequest) -> None:
        """Fail the workflow task."""
        raise RuntimeError("this worker knows no such step")


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
        async with asyncio.timeout(SECONDS):
            while not await _fails(started):
                await asyncio.sleep(0.1)
        run = await operation_of(temporal_client, cluster)
        yield run.run_id or ""
        await run.terminate()
        await asyncio.gather(publish, return_exceptions=True)


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
    assert f"--run-id {unable} --type LastWorkflowTask" in advice["commands"][1]


async def test_people_read_it_on_the_page(unable: str, look: Mooring) -> None:
    page = " ".join((await look("explain", "vol")).out.split())

    assert f"Run {unable} of" in page
    assert "nothing has failed" not in page

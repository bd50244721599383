"""The runs that hold a volume without a PV, as a test finds them and waits for them."""

from __future__ import annotations

import asyncio

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from mooring import names
from mooring.models import VolumeRef
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE

Run = WorkflowHandle[object, object]


def volume(cluster: Cluster) -> VolumeRef:
    """Return the volume that these tests are about."""
    return VolumeRef(driver=cluster.driver, volume_handle="vol")


async def the_run(client: Client, workflow_id: str) -> Run:
    """Return the newest run of the id, by its own id."""
    found = await client.get_workflow_handle(workflow_id).describe()
    return client.get_workflow_handle(workflow_id, run_id=found.run_id)


async def hold_of(client: Client, cluster: Cluster) -> Run:
    """Return the newest run that holds the volume."""
    return await the_run(client, names.unpersisted_id(volume(cluster)))


async def operation_of(client: Client, cluster: Cluster) -> Run:
    """Return the newest operation on the volume."""
    return await the_run(client, names.volume_id(volume(cluster)))


async def ended(run: Run) -> None:
    """Wait until this very run has ended, however it does."""
    async with asyncio.timeout(PATIENCE):
        while (await run.describe()).status is WorkflowExecutionStatus.RUNNING:
            await asyncio.sleep(0.05)

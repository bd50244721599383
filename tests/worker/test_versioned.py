"""Worker Deployment Versioning: workers of a version serve while it is current, and each run goes on with the one that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.models import PublishResult, VolumeRef
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.resets import last_run
from tests.harness.versions import WorkerDeployment, done_by
from tests.harness.workers import quick, running_worker
from worker import MooringWorker


@pytest.fixture
def deployment(temporal_client: Client) -> WorkerDeployment:
    return WorkerDeployment(temporal_client)


def built(deployment: WorkerDeployment, cluster: Cluster, build_id: str) -> AbstractAsyncContextManager[MooringWorker]:
    """Run a worker of this build."""
    settings = quick(cluster.driver, worker_deployment=deployment.name, worker_build_id=build_id)
    return running_worker(deployment.client, settings, cluster.proxy.kubeconfig())


@pytest.fixture
async def two_builds(deployment: WorkerDeployment, cluster: Cluster) -> AsyncIterator[dict[str, MooringWorker]]:
    """A worker of build 1 and one of build 2."""
    async with AsyncExitStack() as stack:
        yield {build: await stack.enter_async_context(built(deployment, cluster, build)) for build in ("1", "2")}


async def publisher(client: Client, cluster: Cluster) -> str:
    """Return the worker that did the volume's last operation in its one workflow task."""
    [identity] = await done_by(await last_run(client, cluster, "vol"))
    return identity


async def test_an_operation_waits_until_a_version_is_current_then_it_is_done_in_one_task(
    deployment: WorkerDeployment, cluster: Cluster, temporal_client: Client
) -> None:
    await cluster.create("vol")
    async with built(deployment, cluster, "1") as worker:
        asked = asyncio.create_task(worker.context.mooring.publish("vol", "node-a", deadline=PATIENCE))
        async with asyncio.timeout(PATIENCE):
            while not [run async for run in temporal_client.list_workflows(f"WorkflowId = '{volume_id(cluster)}'")]:
                await asyncio.sleep(0.05)
        begun = (await (await last_run(temporal_client, cluster, "vol")).describe()).history_length

        await deployment.make_current("1")

        published: PublishResult = await asked
        assert (begun, published.epoch, await publisher(temporal_client, cluster)) == (2, 1, worker.context.identity)


async def test_workers_of_no_version_serve_beside_one_that_is_not_current_even_what_that_one_asks_for(
    deployment: WorkerDeployment, cluster: Cluster, temporal_client: Client, worker: MooringWorker
) -> None:
    await cluster.create("vol")
    async with built(deployment, cluster, "1") as other:
        await other.context.mooring.publish("vol", "node-a", deadline=PATIENCE)

    assert await publisher(temporal_client, cluster) == worker.context.identity


async def test_once_a_version_is_current_workers_of_none_get_no_tasks(
    deployment: WorkerDeployment, cluster: Cluster, mooring: MooringClient, temporal_client: Client, worker: MooringWorker
) -> None:
    assert await worker.missing() == []
    await cluster.create("vol")
    async with built(deployment, cluster, "1") as other:
        await deployment.make_current("1")
        await mooring.publish("vol", "node-a", deadline=PATIENCE)

        assert await publisher(temporal_client, cluster) == other.context.identity


@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")], ids=["upgrade", "roll-back"])
async def test_a_hold_that_waits_goes_on_with_the_version_that_is_current_by_then(
    deployment: WorkerDeployment,
    cluster: Cluster,
    mooring: MooringClient,
    temporal_client: Client,
    two_builds: dict[str, MooringWorker],
    order: tuple[str, str],
) -> None:
    first, second = (two_builds[build].context.identity for build in order)
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    hold = temporal_client.get_workflow_handle(names.unpersisted_id(volume))
    await deployment.make_current(order[0])
    await mooring.publish("vol", "node-a", deadline=PATIENCE)
    assert {*await done_by(hold)} == {first}

    await deployment.make_current(order[1])
    await cluster.create("vol")
    await asyncio.wait_for(hold.result(), PATIENCE)

    assert (await cluster.holder("vol"), (await done_by(hold))[-1]) == ("node-a", second)


def volume_id(cluster: Cluster) -> str:
    return names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol"))

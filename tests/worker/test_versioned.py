"""Worker Deployment Versioning: workers of a version serve while it is current, and each run goes on with the one that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from mooring import names
from mooring.client import MooringClient
from mooring.models import PublishResult, VolumeRef
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.load import load
from tests.harness.patience import PATIENCE
from tests.harness.patient import patient
from tests.harness.resets import last_run
from tests.harness.versions import WorkerDeployment, done_by
from tests.harness.workers import running_worker
from worker import MooringWorker
from workflows.registry import WORKFLOWS

VOLUMES: Final = 3


@pytest.fixture
def deployment(temporal_client: Client) -> WorkerDeployment:
    return WorkerDeployment(temporal_client)


def built(
    deployment: WorkerDeployment, cluster: Cluster, build_id: str, backend: JournalBackend | None = None, **overrides: Any
) -> AbstractAsyncContextManager[MooringWorker]:
    """Run a worker of this build."""
    used = {"backend": "in:tests"} if backend else {}
    settings = patient(cluster.driver, worker_deployment=deployment.name, worker_build_id=build_id, **used, **overrides)
    return running_worker(deployment.client, settings, cluster.proxy.kubeconfig(), backend)


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


async def test_under_load_nothing_fails_while_the_current_version_is_switched_to_and_fro(
    deployment: WorkerDeployment,
    cluster: Cluster,
    mooring: MooringClient,
    backend: JournalBackend,
    temporal_client: Client,
) -> None:
    handles = [f"vol-{number}" for number in range(VOLUMES)]
    await asyncio.gather(*map(cluster.create, handles))
    async with built(deployment, cluster, "1", backend, at_once=False) as old, built(deployment, cluster, "2", backend) as new:
        await deployment.make_current("1")
        async with load(mooring, handles) as moving:
            for build in ("2", "1", "2"):
                await moving.goes_on(times=1)
                await deployment.make_current(build)
            await moving.goes_on(times=1)
        histories = [each async for each in operations(temporal_client, cluster)]

    assert {handle: await cluster.holder(handle) for handle in handles} == moving.nodes
    assert backend.attached == {handle: {node} for handle, node in moving.nodes.items()}
    assert all(len(nodes) <= 1 for nodes in attached_over_time(backend))
    assert {identity for each in histories for identity in workers_of(each)} == {old.context.identity, new.context.identity}
    replayer = Replayer(
        workflows=WORKFLOWS, data_converter=temporal_client.data_converter, workflow_runner=UnsandboxedWorkflowRunner()
    )
    for each in histories:
        await replayer.replay_workflow(each)


async def operations(client: Client, cluster: Cluster) -> AsyncIterator[WorkflowHistory]:
    """Yield the histories of all operations of the driver."""
    async for run in client.list_workflows(f"WorkflowId STARTS_WITH 'volume/{cluster.driver}/'"):
        yield await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()


def attached_over_time(backend: JournalBackend) -> Iterator[set[str]]:
    """Yield the nodes that had a volume after each call about it."""
    attached: dict[str, set[str]] = {}
    for verb, handle, node, _ in backend.journal:
        nodes = attached.get(handle, set())
        attached[handle] = nodes | {node} if verb == "publish" else nodes - {node or each for each in nodes}
        yield attached[handle]


def workers_of(history: WorkflowHistory) -> set[str]:
    """Return the identities of the workers that completed the run's workflow tasks."""
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return {each.workflow_task_completed_event_attributes.identity for each in history.events if each.event_type == completed}


def volume_id(cluster: Cluster) -> str:
    return names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol"))

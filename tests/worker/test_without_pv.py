"""Volumes that have no PV yet: one holder all the same, whoever is asked and whoever has been restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from mooring import names
from mooring.client import MooringClient
from mooring.errors import BackendFailed, HeldElsewhere, VolumeNotFound
from mooring.models import AccessMode, VolumeRef
from mooring.models.times import parse_time
from mooring.settings import MissingPv
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker
from worker import MooringWorker

RWX = AccessMode.MULTI_NODE_MULTI_WRITER


@asynccontextmanager
async def workers(client: Client, cluster: Cluster, backend: JournalBackend, number: int = 2) -> AsyncIterator[list[MooringWorker]]:
    """Run workers that share a backend and a proxy."""
    settings = quick(cluster.driver, backend="in:tests", drain_timeout=0.2)
    async with AsyncExitStack() as stack:
        running = [running_worker(client, settings, cluster.proxy.kubeconfig(), backend) for _ in range(number)]
        yield [await stack.enter_async_context(each) for each in running]


@pytest.fixture
async def two_workers(temporal_client: Client, cluster: Cluster, backend: JournalBackend) -> AsyncIterator[list[MooringWorker]]:
    async with workers(temporal_client, cluster, backend) as running:
        yield running


async def recorded(cluster: Cluster, handle: str) -> dict[str, str]:
    """Return the annotations of the PV, once it records a holder."""
    async with asyncio.timeout(PATIENCE):
        while await cluster.holder(handle) is None:
            await asyncio.sleep(0.05)
    return await cluster.annotations(handle)


async def held_run(client: Client, cluster: Cluster, handle: str) -> WorkflowExecutionStatus | None:
    """Return the status of the run that holds the volume without a PV."""
    volume = VolumeRef(driver=cluster.driver, volume_handle=handle)
    return (await client.get_workflow_handle(names.unpersisted_id(volume)).describe()).status


async def test_a_volume_without_a_pv_is_attached_and_not_persisted(
    two_workers: list[MooringWorker], mooring: MooringClient, backend: JournalBackend
) -> None:
    result = await mooring.publish("vol", "node-a")

    assert (result.persisted, result.epoch, result.publish_context) == (False, 0, backend.context)
    assert backend.attached["vol"] == {"node-a"}


async def test_a_second_node_is_refused_and_told_the_holder_whichever_worker_answers(
    two_workers: list[MooringWorker], mooring: MooringClient, backend: JournalBackend
) -> None:
    await mooring.publish("vol", "node-a")

    for _ in range(4):
        with pytest.raises(HeldElsewhere, match=r"vol is held by node node-a .* node node-b can't"):
            await mooring.publish("vol", "node-b")

    assert backend.attached["vol"] == {"node-a"}


async def test_a_second_node_is_refused_after_every_worker_was_restarted(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    async with workers(temporal_client, cluster, backend):
        await mooring.publish("vol", "node-a")

    async with workers(temporal_client, cluster, backend):
        with pytest.raises(HeldElsewhere, match="node-a"):
            await mooring.publish("vol", "node-b")


async def test_two_nodes_at_once_have_one_winner_without_a_pv(
    two_workers: list[MooringWorker], mooring: MooringClient, backend: JournalBackend
) -> None:
    answers = await asyncio.gather(mooring.publish("vol", "node-a"), mooring.publish("vol", "node-b"), return_exceptions=True)

    winner = next(answer.node_id for answer in answers if not isinstance(answer, BaseException))
    assert [str(answer) for answer in answers if isinstance(answer, HeldElsewhere) and winner in str(answer)]
    assert backend.attached["vol"] == {winner}


async def test_the_record_is_written_when_the_pv_appears_as_the_publish_was_answered(
    two_workers: list[MooringWorker], cluster: Cluster, mooring: MooringClient
) -> None:
    answered = await mooring.publish("vol", "node-a")

    await cluster.create("vol")

    found = await recorded(cluster, "vol")
    again = await mooring.publish("vol", "node-a")
    assert parse_time(found[cluster.keys.at]) == again.attached_at == answered.attached_at
    assert (again.publish_context, again.persisted) == (answered.publish_context, True)


async def test_the_record_is_written_when_the_pv_appears_after_every_worker_was_restarted(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    async with workers(temporal_client, cluster, backend):
        answered = await mooring.publish("vol", "node-a")
    await cluster.create("vol")

    async with workers(temporal_client, cluster, backend):
        found = await recorded(cluster, "vol")

    assert (found[cluster.keys.node], parse_time(found[cluster.keys.at])) == ("node-a", answered.attached_at)


async def test_an_unpublish_before_the_pv_appears_leaves_nothing_when_it_does(
    two_workers: list[MooringWorker], temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await mooring.publish("vol", "node-a")

    result = await mooring.unpublish("vol", "node-a")
    await cluster.create("vol")
    await mooring.publish("vol", "node-b")

    assert result.released == ("node-a",)
    assert await held_run(temporal_client, cluster, "vol") is WorkflowExecutionStatus.CANCELED
    assert (await cluster.holder("vol"), backend.attached["vol"]) == ("node-b", {"node-b"})


async def test_an_unpublish_of_another_node_leaves_the_holder_without_a_pv_alone(
    two_workers: list[MooringWorker], cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await mooring.publish("vol", "node-a")

    result = await mooring.unpublish("vol", "node-b")
    await cluster.create("vol")

    assert result.released == ()
    assert (await recorded(cluster, "vol"))[cluster.keys.node] == "node-a"
    assert backend.attached["vol"] == {"node-a"}


async def test_the_same_node_may_publish_again_without_a_pv(
    two_workers: list[MooringWorker], mooring: MooringClient, backend: JournalBackend
) -> None:
    first = await mooring.publish("vol", "node-a")

    again = await mooring.publish("vol", "node-a")

    assert (again.reclaimed, again.attached_at, again.publish_context) == (True, first.attached_at, first.publish_context)


async def test_a_backend_failure_without_a_pv_is_rolled_back(
    two_workers: list[MooringWorker], temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    backend.publish_errors.append(refusal("the array is full"))

    with pytest.raises(BackendFailed, match="the array is full"):
        await mooring.publish("vol", "node-a")
    taken = await mooring.publish("vol", "node-b")

    assert (taken.node_id, backend.attached["vol"]) == ("node-b", {"node-b"})


async def test_a_backend_failure_without_a_pv_ends_the_run_that_held_it(
    two_workers: list[MooringWorker], temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    backend.publish_errors.append(refusal())

    with pytest.raises(BackendFailed):
        await mooring.publish("vol", "node-a")

    assert await held_run(temporal_client, cluster, "vol") is WorkflowExecutionStatus.CANCELED


async def test_a_failed_republish_without_a_pv_leaves_the_holder(
    two_workers: list[MooringWorker], cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await mooring.publish("vol", "node-a")
    backend.publish_errors.append(refusal())

    with pytest.raises(BackendFailed):
        await mooring.publish("vol", "node-a")
    await cluster.create("vol")

    assert (await recorded(cluster, "vol"))[cluster.keys.node] == "node-a"
    assert backend.attached["vol"] == {"node-a"}


async def test_an_attachment_that_waits_for_its_pv_is_listed_as_not_persisted(
    two_workers: list[MooringWorker], cluster: Cluster, mooring: MooringClient
) -> None:
    await mooring.publish("vol", "node-a")

    async with asyncio.timeout(PATIENCE):
        while not (listed := [each for worker in two_workers for each in worker.manager.list_attachments()]):
            await asyncio.sleep(0.02)

    assert [(each.volume_handle, each.held.node, each.persisted) for each in listed] == [("vol", "node-a", False)]


async def test_an_attachment_is_listed_as_persisted_once_its_pv_records_it(
    two_workers: list[MooringWorker], cluster: Cluster, mooring: MooringClient
) -> None:
    await mooring.publish("vol", "node-a")
    await cluster.create("vol")
    await recorded(cluster, "vol")

    async with asyncio.timeout(PATIENCE):
        while [[each.persisted for each in worker.manager.list_attachments()] for worker in two_workers] != [[True], [True]]:
            await asyncio.sleep(0.02)


async def test_a_volume_without_a_pv_can_be_read(two_workers: list[MooringWorker], mooring: MooringClient) -> None:
    result = await mooring.publish("vol", "node-a")

    status = await mooring.get("vol")

    assert status.record is None
    assert status.unpersisted is not None
    assert (status.unpersisted.node_id, status.unpersisted.attached_at) == ("node-a", result.attached_at)


async def test_a_volume_without_a_pv_is_not_found_where_that_is_the_setting(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    settings = quick(cluster.driver, missing_pv=MissingPv.REJECT)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        with pytest.raises(
            VolumeNotFound, match=r"vol of driver .* has no PersistentVolume, and MOORING_MISSING_PV=reject .*`tolerate`"
        ):
            await mooring.publish("vol", "node-a")

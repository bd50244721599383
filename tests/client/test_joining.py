"""MooringClient: one operation a volume at a time, joined by whoever asks the same, awaited by whoever asks another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import HeldElsewhere, InvalidRequest, OperationPending, OperationTerminated, WorkerUnavailable
from mooring.models import RebuildResult, UnpublishRequest, VolumeRef
from mooring.settings import default_task_queue
from mooring.temporal.runs import workers_of
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.patient import patient, pending
from tests.harness.unreadable import begin_unreadably
from tests.harness.workers import running_worker
from worker import MooringWorker


@pytest.fixture
async def backed_worker(
    temporal_client: Client, cluster: Cluster, driver: str, backend: JournalBackend
) -> AsyncIterator[MooringWorker]:
    """A ready worker whose backend may take its time: calls held there remain held until they are let go."""
    settings = patient(driver, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as running:
        yield running


@pytest.fixture
async def gate(cluster: Cluster, backend: JournalBackend) -> asyncio.Event:
    """A volume whose publish stays in the backend until this is set."""
    await cluster.create("vol")
    backend.publish_gate = asyncio.Event()
    return backend.publish_gate


async def test_the_same_request_joins_the_open_operation(
    backed_worker: MooringWorker, mooring: MooringClient, backend: JournalBackend, gate: asyncio.Event
) -> None:
    first = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    second = asyncio.create_task(mooring.publish("vol", "node-a"))
    await asyncio.sleep(0.3)
    gate.set()

    assert await first == await second
    assert len(backend.journal) == 1


async def test_another_request_waits_for_the_open_operation_and_is_answered_then(
    backed_worker: MooringWorker, mooring: MooringClient, backend: JournalBackend, gate: asyncio.Event
) -> None:
    first = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    second = asyncio.create_task(mooring.publish("vol", "node-b"))
    await asyncio.sleep(0.3)
    assert not second.done()
    gate.set()

    with pytest.raises(HeldElsewhere, match="node-a"):
        await second
    assert (await first).node_id == "node-a"


async def test_a_publish_waits_for_an_open_unpublish_and_is_done_then(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    held = cluster.proxy.hold("PATCH", times=1)
    leaving = asyncio.create_task(mooring.unpublish("vol", "node-a"))
    await held.reached()
    coming = asyncio.create_task(mooring.publish("vol", "node-b"))
    held.release()

    assert (await leaving).released == ("node-a",)
    assert (await coming).node_id == "node-b"


async def test_a_caller_is_told_that_its_operation_is_pending_and_gets_its_answer_when_it_asks_again(
    backed_worker: MooringWorker, mooring: MooringClient, backend: JournalBackend, gate: asyncio.Event
) -> None:
    told = await pending(lambda deadline: mooring.publish("vol", "node-a", deadline=deadline))
    assert re.search(r"vol to node node-a had no answer within \S+ s; the operation goes on", told)
    again = asyncio.create_task(mooring.publish("vol", "node-a"))
    await asyncio.sleep(0.3)
    gate.set()

    assert not (await again).reclaimed
    assert len(backend.journal) == 1


async def test_a_caller_of_another_request_is_told_that_one_is_pending(
    backed_worker: MooringWorker, mooring: MooringClient, backend: JournalBackend, gate: asyncio.Event
) -> None:
    first = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()

    told = await pending(lambda deadline: mooring.publish("vol", "node-b", deadline=deadline))
    assert re.search(r"vol to node node-b had no answer .* waits for PublishVolume, run .*, which goes on", told)
    gate.set()

    assert (await first).node_id == "node-a"


async def test_a_caller_that_goes_away_cancels_nothing(
    backed_worker: MooringWorker,
    cluster: Cluster,
    mooring: MooringClient,
    temporal_client: Client,
    backend: JournalBackend,
    gate: asyncio.Event,
) -> None:
    gone = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    gone.cancel()
    await asyncio.wait([gone])
    gate.set()

    await temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol"))).result()

    assert (await cluster.holder("vol"), backend.attached["vol"]) == ("node-a", {"node-a"})


async def test_an_unpublish_of_another_node_does_not_cancel_a_publish(
    backed_worker: MooringWorker, mooring: MooringClient, backend: JournalBackend, gate: asyncio.Event
) -> None:
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    unpublish = asyncio.create_task(mooring.unpublish("vol", "node-b"))
    await asyncio.sleep(0.3)
    gate.set()

    assert (await publish).node_id == "node-a"
    assert (await unpublish).released == ()
    assert backend.attached["vol"] == {"node-a"}


@pytest.mark.parametrize("amiss", [{"at_epoch": 0}, {"stray": True}], ids=["at an epoch", "a stray"])
async def test_what_was_seen_amiss_before_a_publish_does_not_cancel_it(
    backed_worker: MooringWorker,
    cluster: Cluster,
    mooring: MooringClient,
    backend: JournalBackend,
    gate: asyncio.Event,
    amiss: dict[str, Any],
) -> None:
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    asked = UnpublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-a", **amiss)
    heal = asyncio.create_task(mooring.request_unpublish(asked))
    await asyncio.sleep(0.3)
    gate.set()

    assert (await publish).node_id == "node-a"
    assert (await heal).released == ()
    assert backend.attached["vol"] == {"node-a"}


async def test_a_terminated_operation_is_told_from_a_cancelled_one(
    backed_worker: MooringWorker,
    cluster: Cluster,
    mooring: MooringClient,
    temporal_client: Client,
    backend: JournalBackend,
    gate: asyncio.Event,
) -> None:
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")

    await temporal_client.get_workflow_handle(names.volume_id(volume)).terminate("an operator lost patience")

    with pytest.raises(OperationTerminated, match=r"vol to node node-a was terminated.*unpublish the volume"):
        await publish


async def test_every_worker_answers_a_rebuild(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a"})
    async with asyncio.timeout(PATIENCE):
        while not await workers_of(temporal_client, default_task_queue(cluster.driver)):
            await asyncio.sleep(0.02)  # the server hears of a worker with its first poll, a moment after it is ready

    answers = await mooring.rebuild()

    assert [(answer.volumes, answer.holders) for answer in answers if isinstance(answer, RebuildResult)] == [(1, 1)]


async def test_a_rebuild_without_workers_says_that_there_are_none(mooring: MooringClient, driver: str) -> None:
    with pytest.raises(WorkerUnavailable, match=f"No worker polls task queue mooring-{driver}"):
        await mooring.rebuild()


@pytest.mark.parametrize(("handle", "node"), [("", "node-a"), ("vol", ""), ("v" * 1025, "node-a"), ("vol", "n" * 257)])
async def test_a_malformed_request_is_refused_before_it_is_sent(mooring: MooringClient, handle: str, node: str) -> None:
    with pytest.raises(InvalidRequest, match=r"volume_handle|node_id"):
        await mooring.publish(handle, node)


async def test_an_open_operation_whose_request_nobody_can_read_is_another_one_and_is_waited_for(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    run = await begin_unreadably(temporal_client, names.volume_id(volume))
    publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=2))
    with pytest.raises(OperationPending, match=run.run_id):
        await publish

    await run.terminate()

    assert (await mooring.publish("vol", "node-a")).reclaimed

"""Operations of the Go example and of others on one volume: joined, waited for, taken back; one at a time, whoever asks."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import OperationCancelled
from mooring.models import PublishRequest, VolumeRef
from mooring.temporal.runs import read_run
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.project.go.conftest import Example, Ran
from worker import MooringWorker

pytestmark = pytest.mark.timeout(900)  # whichever is the first of these may compile with cold caches

NODE_A: Final = ("-volume", "vol", "-node", "node-a")
NODE_B: Final = ("-volume", "vol", "-node", "node-b")
DEADLINES: Final = ("2s", "6s", "20s")


@pytest.fixture
async def gate(cluster: Cluster, backend: JournalBackend) -> asyncio.Event:
    """A volume whose publish stays in the backend until this is set."""
    await cluster.create("vol")
    backend.publish_gate = asyncio.Event()
    return backend.publish_gate


async def entered(backend: JournalBackend) -> None:
    """Wait until a publish has got as far as the backend."""
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)


async def publishing(mooring: MooringClient, backend: JournalBackend) -> asyncio.Task[Any]:
    """Start a publish of the volume on node-a, and return it once it has got as far as the backend."""
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await entered(backend)
    return publish


async def unanswered(example: Example, *call: str) -> str:
    """Return the error of a call at its deadline, the first one by which it has reached Temporal: a busy machine takes longer."""
    told = ""
    for deadline in DEADLINES:
        waited = await example(*call, "-timeout", deadline)
        assert (waited.code, waited.out) == (1, "")
        told = waited.err
        if not told.startswith("Unavailable"):
            break
    return told


async def test_the_same_publish_by_a_mooring_client_is_joined_and_goes_on_when_the_deadline_has_come(
    backed_worker: MooringWorker, mooring: MooringClient, backend: JournalBackend, example: Example, gate: asyncio.Event
) -> None:
    publish = await publishing(mooring, backend)

    told = await unanswered(example, "publish", *NODE_A)
    gate.set()

    assert told.startswith("Aborted: The publish of volume vol to node node-a had no answer in time; the operation goes on. ")
    assert not (await publish).reclaimed
    assert len(backend.journal) == 1


async def test_the_same_publish_with_its_defaults_left_out_is_joined(
    backed_worker: MooringWorker,
    backend: JournalBackend,
    driver: str,
    temporal_client: Client,
    example: Example,
    gate: asyncio.Event,
) -> None:
    await temporal_client.start_workflow(
        names.PUBLISH,
        {"driver": driver, "volume_handle": "vol", "node_id": "node-a"},
        id=names.volume_id(VolumeRef(driver=driver, volume_handle="vol")),
        task_queue=f"mooring-{driver}",
    )
    await entered(backend)

    told = await unanswered(example, "publish", *NODE_A)
    gate.set()

    assert "the operation goes on" in told


async def test_its_publish_is_joined_by_a_mooring_client(
    backed_worker: MooringWorker,
    driver: str,
    temporal_client: Client,
    backend: JournalBackend,
    example: Example,
    gate: asyncio.Event,
) -> None:
    asked = PublishRequest(driver=driver, volume_handle="vol", node_id="node-a")
    publish = asyncio.create_task(example("publish", *NODE_A))
    await entered(backend)

    run = await read_run(temporal_client, names.volume_id(asked), None)
    gate.set()

    assert run is not None
    assert run.does(names.PUBLISH, asked)
    assert json.loads((await publish).out) == {"publish_context": {"device": "/dev/sdx"}}


async def test_another_publish_waits_for_the_open_one_and_is_answered_then(
    backed_worker: MooringWorker, mooring: MooringClient, backend: JournalBackend, example: Example, gate: asyncio.Event
) -> None:
    first = await publishing(mooring, backend)
    second = asyncio.create_task(example("publish", *NODE_B))
    await asyncio.sleep(0.3)
    gate.set()

    assert (await second).err.startswith("FailedPrecondition: Volume vol is held by node node-a")
    assert (await first).node_id == "node-a"


async def test_an_unpublish_of_another_node_leaves_the_open_publish_alone_and_says_what_it_waits_for(
    backed_worker: MooringWorker, mooring: MooringClient, backend: JournalBackend, example: Example, gate: asyncio.Event
) -> None:
    publish = await publishing(mooring, backend)

    told = await unanswered(example, "unpublish", *NODE_B)
    gate.set()

    assert re.match(
        r"Aborted: The unpublish of volume vol from node node-b had no answer in time; it waits for PublishVolume, run \S+,", told
    )
    assert (await publish).node_id == "node-a"


@pytest.mark.parametrize("node", [("-node", "node-a"), ()])
async def test_an_unpublish_cancels_the_publish_in_flight_and_follows_its_rollback(
    backed_worker: MooringWorker,
    cluster: Cluster,
    backend: JournalBackend,
    example: Example,
    gate: asyncio.Event,
    node: tuple[str, ...],
) -> None:
    publish = asyncio.create_task(example("publish", *NODE_A))
    await entered(backend)

    unpublished = await example("unpublish", "-volume", "vol", *node)

    assert (unpublished.code, unpublished.out) == (0, "{}\n")
    assert await publish == Ran(
        1, "", f"Aborted: The publish of volume vol to node node-a was cancelled. {OperationCancelled.advice}\n"
    )
    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


async def test_a_terminated_operation_is_aborted_in_other_words_than_a_cancelled_one(
    backed_worker: MooringWorker,
    backend: JournalBackend,
    driver: str,
    temporal_client: Client,
    example: Example,
    gate: asyncio.Event,
) -> None:
    publish = asyncio.create_task(example("publish", *NODE_A))
    await entered(backend)
    volume = VolumeRef(driver=driver, volume_handle="vol")

    await temporal_client.get_workflow_handle(names.volume_id(volume)).terminate("an operator lost patience")

    assert (await publish).err.startswith("Aborted: The publish of volume vol to node node-a was terminated. ")

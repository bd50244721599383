"""A PV that appears in the middle of things: still one holder, and what was taken back stays taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from mooring import names
from mooring.client import MooringClient
from mooring.errors import BackendFailed, HeldElsewhere, OperationTerminated
from mooring.models import VolumeRef
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.patient import patient
from tests.harness.workers import running_worker
from worker import MooringWorker

HANDLES: Final = [f"vol-{number}" for number in range(12)]


@pytest.fixture
async def backed_worker(
    temporal_client: Client, cluster: Cluster, driver: str, backend: JournalBackend
) -> AsyncIterator[MooringWorker]:
    """A ready worker with a backend, none of whose bounds cuts an operation off."""
    settings = patient(driver, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as running:
        yield running


async def settled(client: Client, cluster: Cluster, handle: str) -> None:
    """Wait until nothing waits for the volume's PV any more, if anything ever has."""
    run = client.get_workflow_handle(names.unpersisted_id(VolumeRef(driver=cluster.driver, volume_handle=handle)))
    with suppress(WorkflowFailureError, RPCError):
        async with asyncio.timeout(PATIENCE):
            await run.result()


async def test_a_pv_that_appears_during_an_unpublish_does_not_bring_the_holder_back(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    async def leave_while_it_appears(handle: str, pause: float) -> None:
        await mooring.publish(handle, "node-a")
        created = asyncio.create_task(cluster.create(handle))
        await asyncio.sleep(pause)
        await mooring.unpublish(handle, "node-a")
        await created
        await settled(temporal_client, cluster, handle)

    await asyncio.gather(*(leave_while_it_appears(handle, 0.1 * number) for number, handle in enumerate(HANDLES)))

    assert [await cluster.holder(handle) for handle in HANDLES] == [None] * len(HANDLES)
    assert [backend.attached[handle] for handle in HANDLES] == [set()] * len(HANDLES)


async def test_a_pv_that_appears_while_two_nodes_ask_leaves_one_holder(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    async def ask_while_it_appears(handle: str, pause: float) -> None:
        asked = [asyncio.create_task(mooring.publish(handle, node)) for node in ("node-a", "node-b")]
        await asyncio.sleep(pause)
        await cluster.create(handle)
        await asyncio.gather(*asked, return_exceptions=True)
        await settled(temporal_client, cluster, handle)

    await asyncio.gather(*(ask_while_it_appears(handle, 0.03 * number) for number, handle in enumerate(HANDLES)))

    for handle in HANDLES:
        assert {await cluster.holder(handle)} == backend.attached[handle]


async def test_a_pv_that_appears_while_the_backend_attaches_gets_the_record_of_that_publish(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    await cluster.create("vol")
    backend.publish_gate.set()

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")

    await settled(temporal_client, cluster, "vol")
    assert (await publish).node_id == await cluster.holder("vol") == "node-a"


async def test_backend_failures_without_a_pv_are_rolled_back_however_far_the_wait_for_the_pv_has_come(
    backed_worker: MooringWorker, mooring: MooringClient, backend: JournalBackend
) -> None:
    backend.publish_errors += [refusal()] * len(HANDLES)

    answers = await asyncio.gather(*(mooring.publish(handle, "node-a") for handle in HANDLES), return_exceptions=True)

    assert [type(answer) for answer in answers] == [BackendFailed] * len(HANDLES)


async def test_a_publish_without_a_pv_that_was_terminated_is_settled_by_the_next_one(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()
    await temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol"))).terminate()
    with pytest.raises(OperationTerminated):
        await publish
    backend.publish_gate.set()

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")
    await mooring.unpublish("vol", "node-a")
    taken = await mooring.publish("vol", "node-b")
    await cluster.create("vol")
    await settled(temporal_client, cluster, "vol")

    assert taken.node_id == await cluster.holder("vol") == "node-b"
    assert backend.attached["vol"] == {"node-b"}

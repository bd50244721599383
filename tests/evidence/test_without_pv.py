"""A holder whose PV went holds on through whatever becomes of the hold that a publish to the same node begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest

from mooring.client import MooringClient
from mooring.errors import BackendFailed, BackendFailedPrecondition, BackendUncertain, Disputed, MooringError
from mooring.models import AccessMode
from tests.evidence.conftest import Serving
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.departed_volumes import delete_seen
from tests.harness.patience import PATIENCE
from tests.harness.workers import indexed
from worker import MooringWorker

Departed = AbstractAsyncContextManager[MooringWorker]
REFUSED = BackendFailedPrecondition("the array is busy")
UNCERTAIN = BackendUncertain("no answer")


@pytest.fixture
def departed(serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend) -> Departed:
    """A worker that saw node-a hold the volume `vol` at epoch 6, and its PV go."""

    @asynccontextmanager
    async def seen() -> AsyncIterator[MooringWorker]:
        await cluster.create("vol")
        async with serving(backend, backend_budget=1) as worker:
            for _ in range(3):
                await mooring.publish("vol", "node-a")
            await delete_seen(worker, cluster, "vol")
            yield worker

    return seen()


async def recorded(cluster: Cluster, node: str) -> None:
    """Wait until the PV records the node."""
    async with asyncio.timeout(PATIENCE):
        while (await cluster.annotations("vol")).get(cluster.keys.node) != node:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("bare", [False, True], ids=["no PV", "a bare PV"])
async def test_a_departed_holder_is_known_after_a_publish_to_it_was_refused(
    departed: Departed, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, bare: bool
) -> None:
    async with departed as worker:
        backend.publish_errors.append(REFUSED)
        with pytest.raises(BackendFailed):
            await mooring.publish("vol", "node-a")
        if bare:
            await cluster.create("vol")
            await indexed(worker, "vol")

        for _ in range(2):
            with pytest.raises(Disputed, match=r"mooring unpublish vol node-a"):
                await mooring.publish("vol", "node-b")


async def test_a_worker_of_later_knows_a_departed_holder_after_a_publish_to_it_was_refused(
    departed: Departed, serving: Serving, mooring: MooringClient, backend: JournalBackend
) -> None:
    async with departed:
        backend.publish_errors.append(REFUSED)
        with pytest.raises(BackendFailed):
            await mooring.publish("vol", "node-a")

    async with serving(backend):
        with pytest.raises(Disputed, match=r"mooring unpublish vol node-a"):
            await mooring.publish("vol", "node-b")


async def test_a_rollback_leaves_a_departed_holder_what_it_held(
    departed: Departed, mooring: MooringClient, backend: JournalBackend
) -> None:
    async with departed:
        backend.publish_errors.extend([UNCERTAIN] * 1000)
        with pytest.raises(MooringError):
            await mooring.publish("vol", "node-a")
        backend.publish_errors.clear()

        assert backend.attached["vol"] == {"node-a"}
        with pytest.raises(Disputed, match=r"mooring unpublish vol node-a"):
            await mooring.publish("vol", "node-b")


async def test_a_hold_of_one_node_takes_nothing_from_another_that_shared_the_volume(
    serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    shared = AccessMode.MULTI_NODE_MULTI_WRITER
    await cluster.create("vol")
    async with serving():
        for node in ("node-a", "node-b"):
            await mooring.publish("vol", node, access_mode=shared)
    await cluster.delete("vol")
    async with serving():
        assert not (await mooring.publish("vol", "node-a", access_mode=shared)).persisted
        with pytest.raises(MooringError, match="node-a"):
            await mooring.publish("vol", "node-c", access_mode=shared)
    await cluster.create("vol")
    async with serving():
        await recorded(cluster, "node-a")
        await mooring.unpublish("vol", "node-a")

        with pytest.raises(MooringError, match="node-b"):
            await mooring.publish("vol", "node-c")


async def test_a_hold_is_recorded_above_what_is_known_of_the_volume(
    departed: Departed, cluster: Cluster, mooring: MooringClient
) -> None:
    async with departed as worker:
        known = worker.manager.departures.open()[0].seen.fence
        assert not (await mooring.publish("vol", "node-a")).persisted
        await cluster.create("vol")
        await recorded(cluster, "node-a")

        assert await cluster.epoch("vol") > known
        assert (await mooring.unpublish("vol", "node-a")).released == ("node-a",)
        assert (await mooring.publish("vol", "node-b")).persisted


async def publish_beside_a_pv_that_goes(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    """Have a publish of `vol` to node-a be refused by the backend, and the PV go before that."""
    backend.publish_gate = asyncio.Event()
    backend.entered.clear()
    backend.publish_errors.append(refusal())
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)
    await delete_seen(worker, cluster, "vol")
    backend.publish_gate.set()
    with pytest.raises(BackendFailed):
        await publish


@pytest.mark.parametrize("later", [False, True], ids=["a worker that saw it", "a worker of later"])
async def test_a_publish_that_was_rolled_back_leaves_no_holder_though_its_pv_went_meanwhile(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, later: bool
) -> None:
    await cluster.create("vol")
    async with AsyncExitStack() as stack:
        await publish_beside_a_pv_that_goes(await stack.enter_async_context(serving(backend)), cluster, mooring, backend)
        if later:
            await stack.aclose()
            await stack.enter_async_context(serving(backend))

        assert not (await mooring.publish("vol", "node-b")).persisted


@pytest.mark.parametrize("later", [False, True], ids=["a worker that saw it", "a worker of later"])
async def test_a_publish_that_was_rolled_back_leaves_the_holder_of_before_though_its_pv_went_meanwhile(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, later: bool
) -> None:
    await cluster.create("vol")
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(serving(backend))
        await mooring.publish("vol", "node-a")
        await publish_beside_a_pv_that_goes(worker, cluster, mooring, backend)
        if later:
            await stack.aclose()
            await stack.enter_async_context(serving(backend))

        with pytest.raises(Disputed, match=r"mooring unpublish vol node-a"):
            await mooring.publish("vol", "node-b")


async def test_a_worker_of_later_detaches_with_a_later_token_than_a_publish_whose_pv_went_meanwhile(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    async with serving(backend) as worker:
        await mooring.publish("vol", "node-a")
        await mooring.unpublish("vol", "node-a")
        backend.publish_gate = asyncio.Event()
        backend.entered.clear()
        publish = asyncio.create_task(mooring.publish("vol", "node-a"))
        await asyncio.wait_for(backend.entered.wait(), PATIENCE)
        await delete_seen(worker, cluster, "vol")
    backend.publish_gate.set()
    async with serving(backend):
        assert not (await publish).persisted
        await mooring.unpublish("vol", "node-a")

    assert backend.attached["vol"] == set()

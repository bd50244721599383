"""Two workers, two callers, two nodes, twenty volumes: one winner each, and nobody hears otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.proxy import FaultProxy
from mooring.errors import HeldElsewhere
from mooring.models import AccessMode, PublishResult
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.patient import patient
from tests.harness.workers import running_worker
from worker import MooringWorker

HANDLES: Final = [f"vol-{number}" for number in range(20)]
DEADLINE: Final = PATIENCE


@pytest.fixture
async def two_workers(
    temporal_client: Client, account: ApiServer, cluster: Cluster, backend: JournalBackend
) -> AsyncIterator[list[MooringWorker]]:
    """Each with a way of its own to the API server, and one storage array."""
    settings = patient(cluster.driver, backend="in:tests")
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(FaultProxy.start(account.kubeconfig()))
        ways = [cluster.proxy.kubeconfig(), other.kubeconfig()]
        running = [running_worker(temporal_client, settings, way, backend) for way in ways]
        yield [await stack.enter_async_context(each) for each in running]


@pytest.fixture
async def callers(temporal_client: Client, driver: str) -> list[MooringClient]:
    """Two clients, each with a connection of its own."""
    address = temporal_client.service_client.config.target_host
    converter = temporal_client.data_converter
    return [MooringClient(await Client.connect(address, data_converter=converter), driver=driver) for _ in range(2)]


async def race(callers: list[MooringClient], mode: AccessMode) -> list[list[PublishResult | BaseException]]:
    """Have both callers publish every volume at once, each to its own node; return the two answers for each volume."""
    asked = [
        caller.publish(handle, node, access_mode=mode, deadline=DEADLINE)
        for handle in HANDLES
        for caller, node in zip(callers, ("node-a", "node-b"), strict=True)
    ]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    return [answers[at : at + 2] for at in range(0, len(answers), 2)]


async def test_two_callers_two_nodes_one_winner(
    two_workers: list[MooringWorker], cluster: Cluster, callers: list[MooringClient], backend: JournalBackend
) -> None:
    await asyncio.gather(*(cluster.create(handle) for handle in HANDLES))

    answers = await race(callers, AccessMode.SINGLE_NODE_WRITER)

    for handle, pair in zip(HANDLES, answers, strict=True):
        winners = [answer.node_id for answer in pair if isinstance(answer, PublishResult)]
        refusals = [str(answer) for answer in pair if isinstance(answer, HeldElsewhere)]
        assert (len(winners), len(refusals)) == (1, 1), pair
        assert f"{handle} is held by node {winners[0]}" in refusals[0]
        assert (await cluster.holder(handle), backend.attached[handle]) == (winners[0], set(winners))


async def test_two_callers_two_nodes_both_hold_a_multi_node_volume(
    two_workers: list[MooringWorker], cluster: Cluster, callers: list[MooringClient], backend: JournalBackend
) -> None:
    await asyncio.gather(*(cluster.create(handle) for handle in HANDLES))

    answers = await race(callers, AccessMode.MULTI_NODE_MULTI_WRITER)

    assert [[type(answer) for answer in pair] for pair in answers] == [[PublishResult, PublishResult]] * len(HANDLES)
    assert [backend.attached[handle] for handle in HANDLES] == [{"node-a", "node-b"}] * len(HANDLES)
    for handle in HANDLES:
        record = (await callers[0].get(handle)).record
        assert record is not None
        assert {held.node_id for held in record.holders} == {"node-a", "node-b"}


async def test_a_volume_that_changes_hands_again_and_again_is_never_held_twice(
    two_workers: list[MooringWorker], cluster: Cluster, callers: list[MooringClient], backend: JournalBackend
) -> None:
    await cluster.create("vol")

    async def come_and_go(caller: MooringClient, node: str) -> None:
        for _ in range(5):
            while True:
                try:
                    await caller.publish("vol", node, deadline=DEADLINE)
                    break
                except HeldElsewhere:
                    await asyncio.sleep(0.01)
            assert backend.attached["vol"] == {node}
            await caller.unpublish("vol", node, deadline=DEADLINE)

    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(come_and_go(callers[0], "node-a"), come_and_go(callers[1], "node-b"))

    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


async def test_both_workers_know_every_holder_in_the_end(
    two_workers: list[MooringWorker], cluster: Cluster, callers: list[MooringClient]
) -> None:
    await asyncio.gather(*(cluster.create(handle) for handle in HANDLES))
    await race(callers, AccessMode.SINGLE_NODE_WRITER)
    held = {(handle, await cluster.holder(handle), await cluster.epoch(handle)) for handle in HANDLES}

    async with asyncio.timeout(PATIENCE):
        while not all(
            {(each.volume_handle, each.held.node, each.epoch) for each in worker.manager.list_attachments()} == held
            for worker in two_workers
        ):
            await asyncio.sleep(0.02)

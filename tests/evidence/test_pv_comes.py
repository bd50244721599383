"""A PV that comes while a departed holder is unpublished, and another node waits: the hold records whom the unpublish leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.errors import BackendFailed, HeldElsewhere
from mooring.models import AccessMode, UnpublishResult
from tests.evidence.conftest import Serving
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.departed_volumes import delete_seen
from tests.harness.holds import Run, ended, hold_of
from tests.harness.patience import PATIENCE

SHARED = AccessMode.MULTI_NODE_MULTI_WRITER


@asynccontextmanager
async def unpublishing(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, client: Client
) -> AsyncIterator[asyncio.Task[UnpublishResult]]:
    """Have the backend detach `vol` from node-b, which its PV named, while node-a waits for a PV, and the hold see one come."""
    await cluster.create("vol")
    async with serving(backend) as worker:
        await mooring.publish("vol", "node-b", access_mode=SHARED)
        await delete_seen(worker, cluster, "vol")
        assert not (await mooring.publish("vol", "node-a", access_mode=SHARED)).persisted
        backend.unpublish_gate = asyncio.Event()
        unpublish = asyncio.create_task(mooring.unpublish("vol", "node-b", deadline=2 * PATIENCE))
        await asyncio.wait_for(backend.leaving.wait(), PATIENCE)
        await cluster.create("vol")
        await has_seen_the_pv(await hold_of(client, cluster), cluster)
        yield unpublish


async def has_seen_the_pv(hold: Run, cluster: Cluster) -> None:
    """Wait until the hold has recorded its node, or says for which run it waits."""
    async with asyncio.timeout(PATIENCE):
        while await cluster.holder("vol") is None:
            if "is open, and may take the volume" in str((await hold.describe()).raw_description.pending_activities):
                return
            await asyncio.sleep(0.05)


async def recorded(cluster: Cluster) -> str | None:
    """Wait until the PV names a holder, and return the first."""
    async with asyncio.timeout(2 * PATIENCE):
        while await cluster.holder("vol") is None:
            await asyncio.sleep(0.05)
    return await cluster.holder("vol")


async def test_a_node_that_is_unpublished_meanwhile_is_not_recorded_with_the_one_that_waited(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    async with unpublishing(serving, cluster, mooring, backend, temporal_client) as unpublish:
        assert backend.unpublish_gate is not None
        backend.unpublish_gate.set()

        assert (await unpublish).released == ("node-b",)
        assert await recorded(cluster) == "node-a"
        with pytest.raises(HeldElsewhere, match="node-a"):
            await mooring.publish("vol", "node-c")
        await mooring.unpublish("vol", "node-a")
        assert (await mooring.publish("vol", "node-c")).persisted


async def test_a_node_whose_unpublish_fails_meanwhile_is_recorded_with_the_one_that_waited(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    async with unpublishing(serving, cluster, mooring, backend, temporal_client) as unpublish:
        assert backend.unpublish_gate is not None
        gate, backend.unpublish_gate = backend.unpublish_gate, None
        await asyncio.sleep(0)
        backend.unpublish_errors.append(refusal())
        gate.set()

        with pytest.raises(BackendFailed):
            await unpublish
        assert await recorded(cluster) == "node-b"
        await mooring.unpublish("vol", "node-a")
        with pytest.raises(HeldElsewhere, match="node-b"):
            await mooring.publish("vol", "node-c")


async def test_a_hold_that_is_ended_meanwhile_does_not_record_a_node_that_is_unpublished(
    serving: Serving, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, temporal_client: Client
) -> None:
    await cluster.create("vol")
    async with serving(backend) as worker:
        await mooring.publish("vol", "node-b", access_mode=SHARED)
        await delete_seen(worker, cluster, "vol")
        await mooring.publish("vol", "node-a", access_mode=SHARED)
        written = cluster.proxy.hold("PATCH", path=cluster.pv("vol"), times=1)
        await cluster.create("vol")
        await written.reached()
        await delete_seen(worker, cluster, "vol")
        gate = backend.unpublish_gate = asyncio.Event()
        unpublish = asyncio.create_task(mooring.unpublish("vol", "node-b", deadline=2 * PATIENCE))
        await asyncio.wait_for(backend.leaving.wait(), PATIENCE)
        await cluster.create("vol")
        hold = await hold_of(temporal_client, cluster)

        await hold.cancel()
        await has_seen_the_pv(hold, cluster)
        gate.set()

        assert (await unpublish).released == ("node-b",)
        await ended(hold)
        written.release()
        assert (await mooring.publish("vol", "node-c")).persisted

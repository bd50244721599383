"""A node that dies, and a worker that evacuates it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.models import BackendCall
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, DeadNode
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker
from worker import MooringWorker


@dataclass(slots=True)
class Stubborn(JournalBackend):
    """A backend that keeps some volumes attached, and makes others wait."""

    kept: set[str] = field(default_factory=set)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def unpublish(self, call: BackendCall) -> None:
        """Detach, unless the volume is kept; if it is held, wait until it no longer is."""
        handle = call.volume.volume_handle
        if handle in self.kept:
            raise refusal(f"{handle} is busy")
        if handle in self.held:
            self.reached.set()
            await self.held[handle].wait()
        self._note("unpublish", call)


@pytest.fixture
def backend() -> Iterator[Stubborn]:
    """A backend that no call reaches with a token that is too old."""
    stubborn = Stubborn()
    yield stubborn
    assert not stubborn.refused, stubborn.refused


@pytest.fixture
def dead_node(cluster: Cluster, temporal_client: Client, mooring: MooringClient) -> DeadNode:
    """The node."""
    return DeadNode(cluster, temporal_client, mooring)


@pytest.fixture
async def nurse(temporal_client: Client, cluster: Cluster, driver: str, backend: Stubborn) -> AsyncIterator[MooringWorker]:
    """A worker that evacuates by command alone; a Node is gone for good after a second."""
    settings = quick(driver, node_check="csinode", evacuate="off", node_gone=1, backend="in:tests", adopt_interval=0.1)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as running:
        yield running


@pytest.fixture
async def one_by_one(temporal_client: Client, cluster: Cluster, driver: str, backend: Stubborn) -> AsyncIterator[MooringWorker]:
    """A worker that releases one volume after the other, in the order of their PVs' names."""
    settings = quick(driver, node_check="csinode", evacuate="off", node_gone=1, evacuate_at_once=1, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as running:
        yield running


@pytest.fixture
async def stuck(one_by_one: MooringWorker, dead_node: DeadNode, backend: Stubborn) -> asyncio.Event:
    """A node that holds `vol-1` and `vol-2`; its evacuation listed both, and is at `vol-1` until the event is set."""
    await dead_node.admit("vol-1", "vol-2")
    await dead_node.taint(TAINT)
    backend.held["vol-1"] = asyncio.Event()
    await dead_node.evacuate()
    await asyncio.wait_for(backend.reached.wait(), PATIENCE)
    return backend.held["vol-1"]

"""The deployed worker without a cluster, on whatever Temporal its client has: with records in memory, and a backend by choice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from prometheus_client import CollectorRegistry
from temporalio.client import Client

from activities.context import worker_context
from mooring.backend import Backend, NoBackend
from mooring.cluster.attachment_cache import NoAttachmentCache
from mooring.cluster.clientset import Clientset
from mooring.cluster.node_health import NoNodeHealth
from mooring.cluster.node_ids import AnyNode
from mooring.cluster.node_usage import NoNodeUsage
from mooring.cluster.volume_attachments import NoAttachments
from mooring.csi.state import EndpointState
from mooring.events.recorder import NoEvents
from mooring.process.metrics import Metrics
from mooring.records.memory_store import MemoryStore
from tests.harness.workers import quick
from tests.simulation.clock import now
from worker import MooringWorker

_READY = 60.0


def memory(new_uid: Callable[[], str]) -> MemoryStore:
    """Return a store, which several workers may share."""
    return MemoryStore(Metrics(CollectorRegistry()), new_uid)


@asynccontextmanager
async def serving(
    client: Client,
    driver: str,
    store: MemoryStore,
    identity: str = "worker-1",
    backend: Backend | None = None,
    now: Callable[[], datetime] = now,
) -> AsyncIterator[MooringWorker]:
    """Run a worker that is ready while the block lasts."""
    worker = make_worker(client, driver, store, identity, backend, now)
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    try:
        await ready(worker)
        yield worker
    finally:
        stop.set()
        await running


def make_worker(
    client: Client,
    driver: str,
    store: MemoryStore,
    identity: str,
    backend: Backend | None = None,
    now: Callable[[], datetime] = now,
) -> MooringWorker:
    """Make a worker, which isn't run yet."""
    doors = Clientset(store, NoEvents(), AnyNode(), NoAttachments(), NoAttachmentCache(), NoNodeHealth(), NoNodeUsage())
    settings = quick(driver, kubernetes="off", backend="in:tests" if backend else "none")
    endpoint, metrics = EndpointState(driver), Metrics(CollectorRegistry())
    clock = asyncio.get_running_loop().time
    return MooringWorker(
        worker_context(settings, identity, client, doors, backend or NoBackend(), endpoint, metrics, clock=clock, now=now)
    )


async def ready(worker: MooringWorker) -> None:
    """Wait until a worker serves."""
    async with asyncio.timeout(_READY):
        while await worker.missing():
            await asyncio.sleep(0.05)

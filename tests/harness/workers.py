"""Workers in this process, as many as a test wants, each with its own index and its own way to the API server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from prometheus_client import CollectorRegistry
from temporalio.client import Client

from activities.context import worker_context
from mooring.backend import Backend, NoBackend
from mooring.cluster.clientset import open_clientset
from mooring.csi.state import EndpointState
from mooring.kubernetes.connection import CLOCK
from mooring.process.metrics import Metrics
from mooring.settings import Settings
from tests.harness.patience import PATIENCE
from worker import MooringWorker

_NUMBERS = count(1)


def quick(driver: str, **overrides: Any) -> Settings:
    """Return settings whose bounds are short enough to run into; node ids are taken unchecked."""
    bounds: dict[str, Any] = {
        "attempt_timeout": 1.5,
        "request_timeout": 1,
        "heartbeat_timeout": 1,
        "publish_budget": 6,
        "clear_budget": 3,
        "backend_timeout": 3,
        "backend_budget": 6,
        "retry_interval_max": 0.5,
        "drain_timeout": 1,
        "node_check": "off",
        "reconcile_interval": 0,
        "sandbox": True,
    }
    return Settings(driver=driver, **{**bounds, **overrides})


@asynccontextmanager
async def running_worker(
    client: Client,
    settings: Settings,
    kubeconfig: dict[str, Any],
    backend: Backend | None = None,
    state: EndpointState | None = None,
) -> AsyncIterator[MooringWorker]:
    """Run a worker that is ready, and stop it in the end."""
    metrics = Metrics(CollectorRegistry())
    identity = f"worker-{next(_NUMBERS)}"
    async with open_clientset(settings, identity, CLOCK.now, metrics, kubeconfig) as storage:
        endpoint = state or EndpointState(settings.driver)
        own, driver = await own_client(client), backend or NoBackend()
        worker = MooringWorker(
            worker_context(settings, identity, own, storage, driver, endpoint, metrics, clock=time.monotonic, now=CLOCK.now)
        )
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        try:
            await ready(worker, running)
            yield worker
        finally:
            stop.set()
            await running


async def own_client(client: Client) -> Client:
    """Return a client of the same server for one worker."""
    # NB: the SDK has no two workers of one task queue share a client.
    address = client.service_client.config.target_host
    between = client.config()["interceptors"]
    return await Client.connect(address, namespace=client.namespace, data_converter=client.data_converter, interceptors=between)


async def ready(worker: MooringWorker, running: asyncio.Task[None]) -> None:
    """Wait until the worker that runs in this task serves."""
    async with asyncio.timeout(PATIENCE):
        while await worker.missing():
            assert not running.done(), running.result()
            await asyncio.sleep(0.02)


async def indexed(worker: MooringWorker, handle: str) -> None:
    """Wait until the watch has delivered the volume to the worker's index."""
    await until(lambda: worker.manager.pv_name(handle) is not None)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)

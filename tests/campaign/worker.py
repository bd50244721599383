"""The campaign's worker: `python -m tests.campaign.worker`, the deployed one, made of parts that lead by failpoints.

Contract: it is assembled as worker.py assembles it, in front of a driver. Its folder, `CAMPAIGN_FOLDER`, says what fails, and how
wrong its clock is; `CAMPAIGN_BUG` names a fault that is planted in it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest
from temporalio.client import Client

from activities.context import worker_context
from mooring.cluster.clientset import clientset_of
from mooring.csi.driver import ListingBackend
from mooring.csi.sidecar import Sidecar, open_sidecar
from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.connection import CLOCK
from mooring.kubernetes.credentials.connections import Connections
from mooring.kubernetes.credentials.logins import KubeconfigLogins
from mooring.kubernetes.credentials.renewal import Renewal
from mooring.process.exits import exit_process
from mooring.process.health import HealthServer, Starting, free_address
from mooring.process.lifetime import unless, until_signalled
from mooring.process.logs import log_to_stderr
from mooring.process.metrics import Metrics, WorkerRegistry
from mooring.settings import Settings, read_settings
from mooring.temporal.connection import reach, runtime
from tests.campaign.bugs import BUGS
from tests.campaign.failpoints import Failpoints
from tests.campaign.wrappers import FailingClient, FailingDriver, FailingInterceptor, FailingSenders
from worker import MooringWorker

FOLDER: Final = "CAMPAIGN_FOLDER"
BUG: Final = "CAMPAIGN_BUG"
log = logging.getLogger("mooring.worker")


class SkewedClock:
    """A clock that is wrong by as many seconds as a file says."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        """Return what the worker takes for the time."""
        seconds = float(self._file.read_text()) if self._file.exists() else 0.0
        return datetime.now(UTC) + timedelta(seconds=seconds)


async def serve(points: Failpoints, clock: SkewedClock, settings: Settings, stop: asyncio.Event) -> None:
    """Run a worker until `stop` is set."""
    identity = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    registry, starting = WorkerRegistry(), Starting("The driver behind the CSI endpoint")
    sdk_metrics = free_address()
    async with AsyncExitStack() as stack:
        health = HealthServer(starting, registry, f"http://{sdk_metrics}/metrics", "worker")
        await stack.enter_async_context(health.listen(settings.http_address))
        sidecar = await stack.enter_async_context(open_sidecar(settings))
        met = await unless(stop, sidecar.meet_driver(settings))
        if met is None:
            return
        registry.driver = met.driver
        client = await unless(stop, reach(identity, runtime(sdk_metrics, met.driver, log), starting.report))
        if client is None:
            return
        made = failing_worker(points, clock, met, sidecar, os.environ["KUBECONFIG"], client, Metrics(registry))
        starting.worker = await stack.enter_async_context(made)
        await starting.worker.run(stop)


@asynccontextmanager
async def failing_worker(
    points: Failpoints,
    clock: SkewedClock,
    settings: Settings,
    sidecar: Sidecar,
    kubeconfig: str | Mapping[str, Any],
    client: Client,
    metrics: Metrics,
) -> AsyncIterator[MooringWorker]:
    """Make the deployed worker, of parts that lead by these points; `sidecar` has met its driver."""
    identity = client.service_client.config.identity
    failing, api = _intercepted(client, FailingInterceptor(points)), _api(points, settings, kubeconfig)
    try:
        async with clientset_of(api, settings, identity, clock.now, metrics) as clientset:
            driver = sidecar.backend(settings)
            assert isinstance(driver, ListingBackend)
            backend = FailingDriver(points, driver)
            context = worker_context(
                settings, identity, failing, clientset, backend, sidecar.state, metrics, clock=time.monotonic, now=clock.now
            )
            mooring = FailingClient(points, failing, driver=settings.driver, task_queue=settings.queue)
            yield MooringWorker(replace(context, mooring=mooring))
    finally:
        await api.close()


def _api(points: Failpoints, settings: Settings, kubeconfig: str | Mapping[str, Any]) -> KubernetesApi:
    logins = KubeconfigLogins(kubeconfig, os.environ, CLOCK.now)
    logins.prepare()
    return KubernetesApi(FailingSenders(points, Connections(Renewal(logins, os.environ, CLOCK))), settings.request_timeout)


def _intercepted(client: Client, interceptor: FailingInterceptor) -> Client:
    config = client.config()
    config["interceptors"] = [interceptor]
    return Client(**config)


def main() -> NoReturn:
    """Run a worker with the environment's settings; never return."""
    settings, folder = read_settings(), Path(os.environ[FOLDER])
    log_to_stderr(settings.log_level)
    if os.environ.get(BUG):
        BUGS[os.environ[BUG]](pytest.MonkeyPatch())
    work = partial(serve, Failpoints(folder), SkewedClock(folder / "skew"), settings)
    asyncio.run(until_signalled(work, settings.drain_timeout + 10))
    exit_process(0)


if __name__ == "__main__":
    main()

"""The worker process: connect, rebuild, then serve.  python worker.py

Contract: until the rebuild has succeeded the worker polls nothing but its own task queue, and is not ready. A server that can't be
reached is waited for, never a reason to exit. SIGTERM and SIGINT drain: no new work, running attempts may finish within
MOORING_DRAIN_TIMEOUT, and what is left then goes on in another worker.

Exit codes: 0 drained, 1 a fault that a restart may mend, 2 the settings are wrong.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from temporalio.client import WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.attachments import AttachmentActivities
from activities.backend import BackendActivities
from activities.events import EventActivities
from activities.rebuild import RebuildActivities
from activities.unpersisted import UnpersistedActivities
from mooring import names
from mooring.backend import load_backend
from mooring.backoff import pauses
from mooring.errors import TemporalUnavailable
from mooring.follower import Follower
from mooring.health import HealthServer
from mooring.manager import AttachmentManager
from mooring.metrics import Metrics
from mooring.settings import Settings
from mooring.storage import Storage, open_storage
from mooring.temporal import connect, register_search_attributes
from workflows.persist import PersistAttachment
from workflows.publish import PublishVolume
from workflows.read import ReadVolume
from workflows.rebuild import RebuildAttachments
from workflows.unpublish import UnpublishVolume

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from typing import Any

    from temporalio.client import Client

    from mooring.backend import Backend

log = logging.getLogger("mooring.worker")

_REBUILD_AT_MOST = timedelta(hours=1)
_STICKY = timedelta(seconds=1)
_HEARTBEATS = timedelta(seconds=1)
_SLOTS = 200


class MooringWorker:
    """One worker of one driver: an index, the two task queues it polls, and its health."""

    def __init__(
        self, settings: Settings, client: Client, storage: Storage, backend: Backend, identity: str, metrics: Metrics
    ) -> None:
        self.manager = AttachmentManager()
        self._settings = settings
        self._client = client
        self._storage = storage
        self._backend = backend
        self._identity = identity
        self._follower = Follower(storage.volumes, self.manager, metrics, time.monotonic, settings.page_size)
        self._worker: Worker | None = None

    async def missing(self) -> list[str]:
        """What keeps the worker from being ready."""
        if self._worker is None or not self._worker.is_running:
            return ["The index is not rebuilt yet; RebuildAttachments in the Temporal UI shows why."]
        try:
            healthy = await self._client.service_client.check_health(timeout=timedelta(seconds=2))
        except RPCError as error:
            return [f"Temporal can't be reached: {error}."]
        return [] if healthy else ["Temporal says it is not serving."]

    async def run(self, stop: asyncio.Event) -> None:
        """Rebuild, then serve until `stop` is set, then drain."""
        unregistered = await register_search_attributes(self._client)
        if unregistered:
            log.warning("The namespace does not take search attributes, so operations go without them: %s", unregistered)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._follower.stop)
            await stack.enter_async_context(self._own_worker())
            if not await _first(stop, self._rebuild()):
                return
            self._worker = await stack.enter_async_context(self._shared_worker(search_attributes=not unregistered))
            log.info("Worker %s serves task queue %s.", self._identity, self._settings.queue)
            await _first(stop, self._rebuild_when_lost())
            log.info("Worker %s drains for at most %g s.", self._identity, self._settings.drain_timeout)

    async def _rebuild_when_lost(self) -> None:
        while True:
            await self._follower.lost.wait()
            await self._rebuild()

    async def _rebuild(self) -> None:
        for pause in pauses(0.5, 5.0):
            try:
                result = await self._client.execute_workflow(
                    RebuildAttachments.run,
                    id=names.rebuild_id(self._settings.driver, self._identity),
                    task_queue=self._own_queue,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    execution_timeout=_REBUILD_AT_MOST,
                    static_summary=f"rebuild the index of {self._identity}",
                )
            except (RPCError, WorkflowFailureError) as error:
                log.warning("The index is not rebuilt: %s. Trying again.", error.__cause__ or error)
                await asyncio.sleep(pause)
            else:
                log.info(result.message)
                return

    @property
    def _own_queue(self) -> str:
        return names.worker_queue(self._settings.queue, self._identity)

    def _own_worker(self) -> Worker:
        return self._make_worker(self._own_queue, [RebuildAttachments], [self._rebuild_activities().rebuild])

    def _rebuild_activities(self) -> RebuildActivities:
        return RebuildActivities(self._follower, self._identity)

    def _shared_worker(self, *, search_attributes: bool) -> Worker:
        limits = self._settings.limits(search_attributes=search_attributes)
        attachments = AttachmentActivities(self._settings.driver, self.manager, self._storage.volumes, limits)
        unpersisted = UnpersistedActivities(self._client, self.manager, self._storage.volumes)
        backend = BackendActivities(self._backend)
        return self._make_worker(
            self._settings.queue,
            [PublishVolume, UnpublishVolume, PersistAttachment, ReadVolume, RebuildAttachments],
            [
                *(attachments.observe, attachments.look, attachments.record),
                *(attachments.release, attachments.persist, attachments.undo),
                *(unpersisted.find, unpersisted.drop, unpersisted.publisher_lives, unpersisted.wait),
                *(backend.publish, backend.unpublish, backend.undo),
                EventActivities(self._storage.events).not_cleared,
                self._rebuild_activities().rebuild,
            ],
        )

    def _make_worker(self, queue: str, workflows: Sequence[type], activities: Sequence[Callable[..., Any]]) -> Worker:
        return Worker(
            self._client,
            task_queue=queue,
            workflows=workflows,
            activities=activities,
            identity=self._identity,
            max_concurrent_activities=_SLOTS,
            graceful_shutdown_timeout=timedelta(seconds=self._settings.drain_timeout),
            sticky_queue_schedule_to_start_timeout=_STICKY,
            max_heartbeat_throttle_interval=_HEARTBEATS,
            default_heartbeat_throttle_interval=_HEARTBEATS,
        )


class _Starting:
    """What /readyz asks until there is a worker to ask."""

    def __init__(self) -> None:
        self.worker: MooringWorker | None = None

    async def missing(self) -> list[str]:
        if self.worker is None:
            return ["Temporal has not been reached yet; see the log."]
        return await self.worker.missing()


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Be a worker until `stop` is set."""
    identity = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    registry, starting = CollectorRegistry(), _Starting()
    metrics = Metrics(registry)
    backend = load_backend(settings.backend)
    sdk_metrics = f"127.0.0.1:{_free_port()}"
    runtime = Runtime(telemetry=TelemetryConfig(metrics=PrometheusConfig(bind_address=sdk_metrics, durations_as_seconds=True)))
    health = HealthServer(starting, registry, f"http://{sdk_metrics}/metrics")
    async with health.listen(settings.http_address) as url, open_storage(settings, identity, _now, metrics) as storage:
        log.info("Health and metrics: %s/readyz, %s/metrics", url, url)
        client = await _reach_temporal(identity, runtime, stop)
        if client is not None:
            starting.worker = MooringWorker(settings, client, storage, backend, identity, metrics)
            await starting.worker.run(stop)


async def _reach_temporal(identity: str, runtime: Runtime, stop: asyncio.Event) -> Client | None:
    for pause in pauses(0.5, 5.0):
        if stop.is_set():
            break
        try:
            return await connect(identity=identity, runtime=runtime)
        except TemporalUnavailable as error:
            log.warning("%s", error)
            await _first(stop, asyncio.sleep(pause))
    return None


async def _first(stop: asyncio.Event, work: Any) -> bool:
    """Whether the work ended before `stop` was set; else it is cancelled."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].done() and tasks[0].result() is None
    finally:
        for task in tasks:
            task.cancel()


def _now() -> datetime:
    return datetime.now(UTC)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def _until_signalled() -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    yield stop


async def _main(settings: Settings) -> None:
    async with _until_signalled() as stop:
        await serve(settings, stop)


def main() -> int:
    """Run a worker with the environment's settings; the exit code."""
    try:
        settings = Settings()
        load_backend(settings.backend)
    except (ValidationError, ValueError) as error:
        sys.stderr.write(f"The settings are wrong: {error}\n")
        return 2
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(_main(settings))
    return _leave()


def _leave() -> NoReturn:
    """End the process with exit code 0, and without taking the interpreter down first.

    NB: the SDK's threads may still call into an interpreter that is going down, and that aborts the process.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())

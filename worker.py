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
import socket
import sys
import time
import uuid
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from temporalio.client import WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
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
from mooring.kubeconfig import KubernetesNotConfigured
from mooring.leaving import end
from mooring.lifetime import first, until_signalled
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
    from collections.abc import Callable, Sequence
    from typing import Any

    from temporalio.client import Client

    from mooring.backend import Backend

log = logging.getLogger("mooring.worker")

_REBUILD_AT_MOST = timedelta(hours=1)
_STICKY = timedelta(seconds=1)
_HEARTBEATS = timedelta(seconds=1)
_SLOTS = 200
_STUCK = 10.0
"""Seconds beyond the drain timeout after which a worker that has not stopped is left behind."""


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
            if not await first(stop, self._rebuild()):
                return
            self._worker = await stack.enter_async_context(self._shared_worker(search_attributes=not unregistered))
            log.info("Worker %s serves task queue %s.", self._identity, self._settings.queue)
            await first(stop, self._rebuild_when_lost())
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
        unpersisted = UnpersistedActivities(self._client, self.manager, self._storage.volumes)
        attachments = AttachmentActivities(self._settings.driver, self.manager, self._storage.volumes, limits, unpersisted.look_up)
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
    health = HealthServer(starting, registry, f"http://{sdk_metrics}/metrics")
    async with health.listen(settings.http_address) as url, open_storage(settings, identity, _now, metrics) as storage:
        log.info("Health and metrics: %s/readyz, %s/metrics", url, url)
        client = await _reach_temporal(identity, _runtime(sdk_metrics), stop)
        if client is not None:
            starting.worker = MooringWorker(settings, client, storage, backend, identity, metrics)
            await starting.worker.run(stop)


def _runtime(metrics_address: str) -> Runtime:
    metrics = PrometheusConfig(
        bind_address=metrics_address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    # NB: the SDK's core would log to standard output by itself.
    core_log = LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), LogForwardingConfig(log))
    return Runtime(telemetry=TelemetryConfig(metrics=metrics, logging=core_log))


async def _reach_temporal(identity: str, runtime: Runtime, stop: asyncio.Event) -> Client | None:
    for pause in pauses(0.5, 5.0):
        if stop.is_set():
            break
        try:
            return await connect(identity=identity, runtime=runtime)
        except TemporalUnavailable as error:
            log.warning("%s", error)
            await first(stop, asyncio.sleep(pause))
    return None


def _now() -> datetime:
    return datetime.now(UTC)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> NoReturn:
    """Run a worker with the environment's settings; never returns."""
    try:
        settings = Settings()
        load_backend(settings.backend)
    except (ValidationError, ValueError) as error:
        _refuse(f"The settings are wrong: {error}")
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(until_signalled(partial(serve, settings), settings.drain_timeout + _STUCK))
    except KubernetesNotConfigured as error:
        _refuse(str(error))
    end(0)


def _refuse(why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    end(2)


if __name__ == "__main__":
    main()

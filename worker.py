"""The worker process: connect, rebuild, then serve.  python worker.py

Contract: until the rebuild has succeeded the worker polls nothing but its own task queue. Until existing attachments are recorded
it also polls the adoptions' queue, as all workers do, so that each goes on with those that another began. Then it polls the
driver's queue, and that of the steps that wait for operations, and is ready. A server that can't be reached, or doesn't serve this
worker yet or any longer (for example, its namespace was deleted), is waited for, never a reason to exit. SIGTERM and SIGINT drain:
no new work, running attempts may finish within MOORING_DRAIN_TIMEOUT, and the others then go on in another worker.

Exit codes: 0 drained, 1 a fault that a restart may mend, 2 the settings are wrong.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from temporalio.common import WorkerDeploymentVersion

from activities.context import worker_context
from activities.registry import all_activities, rebuild_activities
from mooring import __version__, names
from mooring.adoption.adopter import Adopter
from mooring.backend import load_backend
from mooring.cluster.clientset import open_clientset
from mooring.csi.endpoint import EndpointUnavailable
from mooring.csi.sidecar import WrongDriver, open_sidecar
from mooring.csi.standalone import StandaloneEndpoint
from mooring.csi.state import ReadyWorker
from mooring.errors import MooringError
from mooring.evacuation.node_watcher import watch_dead_nodes
from mooring.events.interceptor import RecorderInterceptor
from mooring.kubernetes.connection import KubernetesNotConfigured
from mooring.process.clock import utc_now
from mooring.process.exits import exit_process
from mooring.process.health import AddressUnavailable, HealthServer, Starting, free_address
from mooring.process.lifetime import first, unless, until_signalled
from mooring.process.logs import log_to_stderr, refuse_to_run
from mooring.process.metrics import Metrics, WorkerRegistry
from mooring.process.repeats import RepeatedWarning
from mooring.process.tracing import UNTRACED, Tracing, tracing_of
from mooring.reconciliation.monitor import ReconciliationMonitor
from mooring.reconciliation.schedule import ReconcileSchedule
from mooring.settings import Settings, misspelt, read_settings
from mooring.temporal.connection import load_codec, reach, register_search_attributes, runtime, unavailable
from mooring.temporal.namespace import Tenure
from mooring.temporal.open_runs import count_open
from mooring.temporal.pollers import Polls
from mooring.temporal.rebuild import rebuild
from mooring.temporal.step_log import StepFields, run_fields, shorten_sdk_entries
from workflows.rebuild import RebuildAttachments
from workflows.registry import WORKFLOWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from typing import TypeAlias

    from temporalio.worker import Worker

    from activities.context import WorkerContext
    from activities.registry import Activities

    Polling: TypeAlias = AbstractAsyncContextManager[Worker]

log = logging.getLogger("mooring.worker")

_ADOPT_AT_MOST = 3600.0
_NO_INDEX = "The index is not rebuilt yet; RebuildAttachments in the Temporal UI shows why."
_STUCK = 10.0
"""Seconds beyond the drain timeout after which a worker that has not stopped is left behind."""


class MooringWorker:
    """One worker of one driver: the task queues it polls, its duties, and its readiness."""

    def __init__(self, context: WorkerContext, tracing: Tracing = UNTRACED) -> None:
        settings, client = context.settings, context.client
        self.context = context
        self.manager = context.manager
        self._tenure = Tenure(client)
        interceptors = [RecorderInterceptor(context.clientset.events.record), StepFields(tracing.log_fields)]
        self._polls = Polls(
            client,
            context.identity,
            settings.drain_timeout,
            interceptors,
            self._tenure.refuse,
            settings.sandbox,
            _version(settings),
        )
        adopt = partial(context.mooring.adopt, deadline=_ADOPT_AT_MOST)
        self._adopter = Adopter(context.adoptions, context.doubts, adopt, context.metrics, settings.adopt_interval)
        self._monitor = ReconciliationMonitor(client, ReconcileSchedule.of(settings), context.metrics, context.now)
        self._rebuild = partial(rebuild, client, settings.driver, context.identity, settings.queue)
        self._rebuilt = False
        self._worker: Worker | None = None

    async def missing(self) -> list[str]:
        """Return the reasons why the worker is not ready."""
        if self._tenure.refused:
            return [self._tenure.refused]
        if self._worker is None or not self._worker.is_running:
            return self._missing_before()
        return await unavailable(self.context.client)

    def _missing_before(self) -> list[str]:
        """Return the reasons why the worker doesn't serve yet."""
        clientset = self.context.clientset
        if not self._rebuilt:
            return clientset.nodes.not_synced or [_NO_INDEX]
        return clientset.nodes.not_synced or clientset.attachment_cache.not_synced or self._adopter.missing

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then drain; wait while Temporal refuses to serve."""
        await self._tenure.serve(stop, self._serve)

    async def _serve(self, halt: asyncio.Event) -> None:
        """Rebuild, then serve until `halt` is set, then drain."""
        unregistered = await register_search_attributes(self.context.client)
        if unregistered:
            log.warning("The search attributes can't be registered, so operations run without them: %s", unregistered)
        queue = self.context.settings.queue
        async with AsyncExitStack() as stack:
            await self._begin(stack)
            if not await first(halt, self._fill()):
                return
            activities = all_activities(self.context, search_attributes=not unregistered)
            await stack.enter_async_context(self._serving(names.adoption_queue(queue), activities, versioned=False))
            if not await first(halt, self._adopter.join()):
                return
            await stack.enter_async_context(self._waiting(activities))
            self._worker = await stack.enter_async_context(self._serving(queue, activities, versioned=True))
            log.info("Worker %s serves task queue %s.", self.context.identity, queue)
            with self._open_desk():
                await first(halt, self._keep_up())
            log.info("Worker %s drains for at most %g s.", self.context.identity, self.context.settings.drain_timeout)

    async def _begin(self, stack: AsyncExitStack) -> None:
        """Begin what the rebuild needs, until the stack is closed."""
        stack.callback(self._unready)
        stack.push_async_callback(self.context.reflector.stop)
        await stack.enter_async_context(self._own_worker())
        await stack.enter_async_context(self.context.clientset.nodes.running())
        await stack.enter_async_context(self.context.clientset.attachment_cache.running())

    def _unready(self) -> None:
        self._worker, self._rebuilt = None, False

    @contextmanager
    def _open_desk(self) -> Iterator[None]:
        endpoint = self.context.endpoint
        endpoint.ready_worker = ReadyWorker(self.context.mooring, self.context.manager)
        try:
            yield
        finally:
            endpoint.ready_worker = None

    async def _fill(self) -> None:
        await self._rebuild()
        self._rebuilt = True
        await self.context.clientset.nodes.wait_until_synced()
        await self.context.clientset.attachment_cache.wait_until_synced()

    async def _keep_up(self) -> None:
        context, settings = self.context, self.context.settings
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rebuild_when_lost())
            group.create_task(self._adopter.settle())
            group.create_task(self._settle_departures())
            group.create_task(watch_dead_nodes(settings, context.client, context.clientset, context.manager))
            group.create_task(count_open(context.client, settings.driver, context.metrics, context.now))
            group.create_task(self._monitor.keep_up())

    async def _rebuild_when_lost(self) -> None:
        while True:
            await self.context.reflector.needs_rebuild.wait()
            await self._rebuild()

    async def _settle_departures(self) -> None:
        repeated = RepeatedWarning(log)
        while True:
            await asyncio.sleep(self.context.settings.adopt_interval)
            try:
                await self.context.evidence.settle()
                repeated.over()
            except MooringError as error:
                repeated.warn(f"The holders of deleted PersistentVolumes could not be examined: {error}")

    def _own_worker(self) -> Polling:
        own_queue = names.worker_queue(self.context.settings.queue, self.context.identity)
        return self._polls.polling(own_queue, [RebuildAttachments], rebuild_activities(self.context), slots=1)

    def _serving(self, queue: str, activities: Activities, *, versioned: bool) -> Polling:
        return self._polls.polling(queue, WORKFLOWS, activities, self.context.slots.steps, versioned=versioned)

    def _waiting(self, activities: Activities) -> Polling:
        queue = names.waiting_queue(self.context.settings.queue)
        return self._polls.polling(queue, [], activities, self.context.slots.waits, versioned=True)


def _version(settings: Settings) -> WorkerDeploymentVersion | None:
    name = settings.worker_deployment
    return WorkerDeploymentVersion(name, settings.worker_build_id or __version__) if name else None


async def serve(settings: Settings, tracing: Tracing, stop: asyncio.Event) -> None:
    """Run a worker until `stop` is set."""
    identity = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    registry, starting = WorkerRegistry(), Starting("The driver behind the CSI endpoint")
    sdk_metrics = free_address()
    role = "endpoint" if settings.csi_only else "worker"
    health = HealthServer(starting, registry, f"http://{sdk_metrics}/metrics", role)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, tracing.close)
        url = await stack.enter_async_context(health.listen(settings.http_address))
        log.info("Health and metrics: %s/readyz, %s/metrics", url, url)
        sidecar = await stack.enter_async_context(open_sidecar(settings, tracing))
        met = await unless(stop, sidecar.meet_driver(settings))
        if met is None:
            return
        starting.awaited, registry.driver = "Temporal", met.driver
        metrics = Metrics(registry)
        clientset = await stack.enter_async_context(open_clientset(met, identity, utc_now, metrics))
        codec = load_codec(met.payload_codec)
        reached = reach(identity, runtime(sdk_metrics, met.driver, log), starting.report, tracing.interceptors, codec)
        client = await unless(stop, reached)
        if client is None:
            return
        if met.csi_only:
            starting.worker = StandaloneEndpoint(met, client, clientset, metrics, sidecar.state)
        else:
            backend = sidecar.backend(met)
            context = worker_context(
                met, identity, client, clientset, backend, sidecar.state, metrics, clock=time.monotonic, now=utc_now
            )
            starting.worker = MooringWorker(context, tracing)
        await starting.worker.run(stop)


def main() -> NoReturn:
    """Run a worker with the environment's settings; never return."""
    refuse = partial(_refuse, os.environ)
    try:
        settings = read_settings()
        load_backend(settings.backend)
        load_codec(settings.payload_codec)
        tracing = tracing_of(os.environ)
    except ValueError as error:
        refuse(f"The settings are wrong: {error}")
    log_to_stderr(settings.log_level, settings.log_format, run_fields, tracing.log_fields)
    shorten_sdk_entries()
    for mistake in misspelt(os.environ):
        log.warning("%s", mistake)
    try:
        asyncio.run(until_signalled(partial(serve, settings, tracing), settings.drain_timeout + _STUCK))
    except KubernetesNotConfigured as error:
        refuse(f"{error} MOORING_KUBERNETES=off keeps records in memory, for a trial.")
    except (AddressUnavailable, EndpointUnavailable, WrongDriver) as error:
        refuse(str(error))
    except Exception:
        log.exception("The worker exits because of an error that nobody expected.")
        exit_process(1)
    exit_process(0)


def _refuse(environ: Mapping[str, str], why: str) -> NoReturn:
    refuse_to_run(why, "json" if environ.get("MOORING_LOG_FORMAT") == "json" else "text")
    exit_process(2)


if __name__ == "__main__":
    main()

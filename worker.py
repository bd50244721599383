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
import sys
import time
import uuid
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from pydantic import ValidationError
from temporalio.service import RPCError

from activities.rebuild import RebuildActivities
from activities.registry import all_activities
from mooring import names
from mooring.adoption.adopter import Adopter
from mooring.adoption.detachments import TemporalDetachments
from mooring.adoption.doubts import Doubts
from mooring.adoption.survey import Survey
from mooring.backend import load_backend
from mooring.client import MooringClient
from mooring.cluster.clientset import Clientset, open_clientset
from mooring.csi.endpoint import EndpointInUse
from mooring.csi.sidecar import WrongDriver, open_sidecar
from mooring.csi.standalone import StandaloneEndpoint
from mooring.csi.state import EndpointState, ReadyWorker
from mooring.errors import MooringError, TemporalUnavailable
from mooring.evacuation.node_watcher import watch_dead_nodes
from mooring.events.interceptor import RecorderInterceptor
from mooring.evidence.evidence import EvidenceReader
from mooring.evidence.unplaced import UnplacedAttachments
from mooring.index.manager import AttachmentManager
from mooring.index.reflector import Reflector
from mooring.kubernetes.connection import KubernetesNotConfigured
from mooring.process.health import HealthServer, Starting
from mooring.process.lifetime import exit_process, first, unless, until_signalled
from mooring.process.metrics import Metrics, WorkerRegistry
from mooring.reconciliation.monitor import ReconciliationMonitor
from mooring.reconciliation.schedule import ReconcileSchedule
from mooring.settings import Settings
from mooring.temporal.connection import reach, register_search_attributes, runtime
from mooring.temporal.namespace import Tenure, namespace_id
from mooring.temporal.open_runs import count_open
from mooring.temporal.pollers import Polls, Slots
from mooring.temporal.rebuild import rebuild
from workflows.rebuild import RebuildAttachments
from workflows.registry import WORKFLOWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Any, TypeAlias

    from temporalio.client import Client
    from temporalio.worker import Worker

    from mooring.backend import Backend

    Activities: TypeAlias = Sequence[Callable[..., Any]]
    Polling: TypeAlias = AbstractAsyncContextManager[Worker]

log = logging.getLogger("mooring.worker")

_ADOPT_AT_MOST = 3600.0
_NO_INDEX = "The index is not rebuilt yet; RebuildAttachments in the Temporal UI shows why."
_STUCK = 10.0
"""Seconds beyond the drain timeout after which a worker that has not stopped is left behind."""


class MooringWorker:
    """One worker of one driver: an index, the task queues it polls, and its health."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        clientset: Clientset,
        backend: Backend,
        identity: str,
        metrics: Metrics,
        state: EndpointState | None = None,
        slots: Slots | None = None,
    ) -> None:
        self.manager = AttachmentManager()
        self.doubts = Doubts()
        self._slots = slots or Slots()
        self._tenure = Tenure(client)
        self._polls = Polls(
            client, identity, settings.drain_timeout, [RecorderInterceptor(clientset.events.record)], self._tenure.refuse
        )
        self._endpoint_state = state or EndpointState(settings.driver)
        self._settings = settings
        self._client = client
        self._clientset = clientset
        self._backend = backend
        self._identity = identity
        self._mooring = MooringClient(client, driver=settings.driver, task_queue=settings.queue, eager=True)
        self._reflector = Reflector(clientset.volumes, self.manager, metrics, time.monotonic, settings.page_size)
        self._adopter = self._make_adopter(metrics)
        attachments, attached = clientset.attachments, clientset.attachment_cache
        skew = timedelta(seconds=settings.clock_skew)
        unplaced = UnplacedAttachments(self.manager, attached, attachments, clientset.node_usage)
        self._evidence = EvidenceReader(
            settings.driver, client, self.manager, attached, attachments, clientset.nodes, skew, unplaced
        )
        self._reconciling = ReconciliationMonitor(client, ReconcileSchedule.of(settings), metrics, _now)
        self._look_after_nodes = partial(watch_dead_nodes, settings, client, clientset, self.manager)
        self._count_open = partial(count_open, client, settings.driver, metrics, _now)
        self._rebuilt = False
        self._worker: Worker | None = None

    async def missing(self) -> list[str]:
        """Return the reasons why the worker is not ready."""
        if self._tenure.refused:
            return [self._tenure.refused]
        if self._worker is None or not self._worker.is_running:
            if not self._rebuilt:
                return self._clientset.nodes.not_synced or [_NO_INDEX]
            return self._clientset.nodes.not_synced or self._clientset.attachment_cache.not_synced or self._adopter.missing
        try:
            if not await self._client.service_client.check_health(timeout=timedelta(seconds=2)):
                return ["Temporal says it is not serving."]
            await namespace_id(self._client)
        except RPCError as error:
            return [f"Temporal can't be reached: {error}."]
        except TemporalUnavailable as error:
            return [str(error)]
        return []

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then drain; wait while Temporal refuses to serve."""
        await self._tenure.serve(stop, self._serve)

    async def _serve(self, halt: asyncio.Event) -> None:
        """Rebuild, then serve until `halt` is set, then drain."""
        unregistered = await register_search_attributes(self._client)
        if unregistered:
            log.warning("The namespace does not take search attributes, so operations go without them: %s", unregistered)
        async with AsyncExitStack() as stack:
            stack.callback(self._unready)
            stack.push_async_callback(self._reflector.stop)
            await stack.enter_async_context(self._own_worker())
            await stack.enter_async_context(self._clientset.nodes.running())
            await stack.enter_async_context(self._clientset.attachment_cache.running())
            if not await first(halt, self._fill()):
                return
            activities = self._activities(search_attributes=not unregistered)
            await stack.enter_async_context(self._serving(names.adoption_queue(self._settings.queue), activities))
            if not await first(halt, self._adopter.join()):
                return
            await stack.enter_async_context(self._waiting(activities))
            self._worker = await stack.enter_async_context(self._serving(self._settings.queue, activities))
            log.info("Worker %s serves task queue %s.", self._identity, self._settings.queue)
            with self._open_desk():
                await first(halt, self._keep_up())
            log.info("Worker %s drains for at most %g s.", self._identity, self._settings.drain_timeout)

    def _unready(self) -> None:
        self._worker, self._rebuilt = None, False

    @contextmanager
    def _open_desk(self) -> Iterator[None]:
        self._endpoint_state.ready_worker = ReadyWorker(self._mooring, self.manager)
        try:
            yield
        finally:
            self._endpoint_state.ready_worker = None

    async def _fill(self) -> None:
        await self._rebuild()
        self._rebuilt = True
        await self._clientset.nodes.wait_until_synced()
        await self._clientset.attachment_cache.wait_until_synced()

    async def _keep_up(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rebuild_when_lost())
            group.create_task(self._adopter.settle())
            group.create_task(self._settle_departures())
            group.create_task(self._look_after_nodes())
            group.create_task(self._count_open())
            group.create_task(self._reconciling.keep_up())

    async def _rebuild_when_lost(self) -> None:
        while True:
            await self._reflector.needs_rebuild.wait()
            await self._rebuild()

    async def _settle_departures(self) -> None:
        while True:
            await asyncio.sleep(self._settings.adopt_interval)
            try:
                await self._evidence.settle()
            except MooringError as error:
                log.warning("The holders of PersistentVolumes that went could not be looked at: %s", error)

    async def _rebuild(self) -> None:
        await rebuild(self._client, self._settings.driver, self._identity, self._settings.queue)

    def _make_adopter(self, metrics: Metrics) -> Adopter:
        behind = self._endpoint_state.behind
        detachments = TemporalDetachments(self._client, self._settings.clock_skew)
        survey = Survey(self._clientset.attachments, self.manager, detachments, behind is None or behind.takes_readonly)
        adopt = partial(self._mooring.adopt, deadline=_ADOPT_AT_MOST)
        return Adopter(survey, self.doubts, adopt, metrics, self._settings.adopt_interval)

    def _own_worker(self) -> Polling:
        own_queue = names.worker_queue(self._settings.queue, self._identity)
        return self._polls.polling(own_queue, [RebuildAttachments], [self._rebuild_activities().rebuild], slots=1)

    def _serving(self, queue: str, activities: Activities) -> Polling:
        return self._polls.polling(queue, WORKFLOWS, activities, self._slots.steps)

    def _waiting(self, activities: Activities) -> Polling:
        return self._polls.polling(names.waiting_queue(self._settings.queue), [], activities, self._slots.waits)

    def _rebuild_activities(self) -> RebuildActivities:
        return RebuildActivities(self._reflector, self._identity)

    def _activities(self, *, search_attributes: bool) -> Activities:
        return all_activities(
            self._settings,
            self._client,
            self._clientset,
            self.manager,
            self.doubts,
            self._backend,
            self._rebuild_activities(),
            self._adopter.survey,
            self._slots,
            self._evidence,
            search_attributes=search_attributes,
        )


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run a worker until `stop` is set."""
    identity = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    registry, starting = WorkerRegistry(), Starting("The driver behind the CSI endpoint")
    sdk_metrics = f"127.0.0.1:{_free_port()}"
    role = "endpoint" if settings.csi_only else "worker"
    health = HealthServer(starting, registry, f"http://{sdk_metrics}/metrics", role)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(health.listen(settings.http_address))
        log.info("Health and metrics: %s/readyz, %s/metrics", url, url)
        sidecar = await stack.enter_async_context(open_sidecar(settings))
        met = await unless(stop, sidecar.meet_driver(settings))
        if met is None:
            return
        starting.awaited, registry.driver = "Temporal", met.driver
        metrics = Metrics(registry)
        clientset = await stack.enter_async_context(open_clientset(met, identity, _now, metrics))
        client = await unless(stop, reach(identity, runtime(sdk_metrics, met.driver, log), starting.report))
        if client is None:
            return
        if met.csi_only:
            starting.worker = StandaloneEndpoint(met, client, clientset, metrics, sidecar.state)
        else:
            starting.worker = MooringWorker(met, client, clientset, sidecar.backend(met), identity, metrics, sidecar.state)
        await starting.worker.run(stop)


def _now() -> datetime:
    return datetime.now(UTC)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> NoReturn:
    """Run a worker with the environment's settings; never return."""
    try:
        settings = Settings()
        load_backend(settings.backend)
    except (ValidationError, ValueError) as error:
        _refuse(f"The settings are wrong: {error}")
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(until_signalled(partial(serve, settings), settings.drain_timeout + _STUCK))
    except KubernetesNotConfigured as error:
        _refuse(f"{error} MOORING_KUBERNETES=off keeps records in memory, for a trial.")
    except (EndpointInUse, WrongDriver) as error:
        _refuse(str(error))
    exit_process(0)


def _refuse(why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    exit_process(2)


if __name__ == "__main__":
    main()

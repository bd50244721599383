"""The door of the core: what the SDK's worker calls instead of the real one, while `installed`.

Contract: as the real core's. A worker that is shut down polls no more, hands its runs back, and ends once its activities have.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import temporalio.bridge.worker as bridge
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto import NamespaceInfo
from temporalio.bridge.proto.activity_task import ActivityTask
from temporalio.bridge.proto.workflow_activation import RemoveFromCache, WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.bridge.worker import PollShutdownError  # type: ignore[attr-defined] # the SDK imports it from its library
from temporalio.service import RPCError, RPCStatusCode

from tests.simulation.temporal_core.activities import WorkerActivities
from tests.simulation.temporal_core.run import CachedRun, TaskFailedError
from tests.simulation.temporal_core.savings import sparing
from tests.simulation.temporal_core.states import NondeterminismError
from tests.simulation.temporal_server.errors import refusal
from tests.simulation.temporal_server.queries import Query
from tests.simulation.temporal_server.server import Server
from tests.simulation.temporal_server.service import Bridge
from tests.simulation.temporal_server.workflow_task import Sticky, WorkflowTask

_CAUSE: Final = WorkflowTaskFailedCause


class Core:
    """A worker of one task queue."""

    def __init__(self, server: Server, config: bridge.WorkerConfig) -> None:
        self.server = server
        self.namespace = config.namespace
        self.queue = config.task_queue
        self.identity = config.identity_override or "simulated"
        self.sticky: Sticky | None = None
        if config.max_cached_workflows:
            patience = config.sticky_queue_schedule_to_start_timeout_millis / 1000
            self.sticky = Sticky(f"{self.identity}-{server.new_id()}", patience)
        self.max_throttle = config.max_heartbeat_throttle_interval_millis / 1000
        self.default_throttle = config.default_heartbeat_throttle_interval_millis / 1000
        self.activities = WorkerActivities(self, _slots(config.tuner.activity_slot_supplier))
        self.stopping = False
        self._config = config
        self._cache: OrderedDict[str, CachedRun] = OrderedDict()
        self._activations: asyncio.Queue[WorkflowActivation | None] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[WorkflowActivationCompletion]] = {}
        self._polls: list[asyncio.Task[None]] = []
        self._working: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()

    # What the SDK calls

    async def validate(self) -> NamespaceInfo:
        return NamespaceInfo()

    async def poll_workflow_activation(self) -> WorkflowActivation:
        if not self._polls:
            self._begin()
        activation = await self._activations.get()
        if activation is None:
            self._activations.put_nowait(None)
            raise PollShutdownError
        return activation

    async def poll_activity_task(self) -> ActivityTask:
        if not self._polls:
            self._begin()
        task = await self.activities.tasks.get()
        if task is None:
            self.activities.tasks.put_nowait(None)
            raise PollShutdownError
        return task

    async def complete_workflow_activation(self, completion: WorkflowActivationCompletion) -> None:
        self._answers.pop(completion.run_id).set_result(completion)

    async def complete_activity_task(self, completion: Any) -> None:
        self.activities.complete(completion.task_token, completion.result)

    def record_activity_heartbeat(self, beat: Any) -> None:
        self.activities.beat(beat.task_token, beat.details)

    def request_workflow_eviction(self, run_id: str) -> None:
        if run_id in self._cache:
            self._spawn(self._evict(self._cache[run_id]))

    def replace_client(self, _: Any) -> None:
        raise NotImplementedError("The simulated core keeps its client.")

    def initiate_shutdown(self) -> None:
        self.stopping = True
        for poll in self._polls:
            poll.cancel()
        self._shutting = asyncio.create_task(self._shut_down(), name=f"shutdown of {self.identity}")

    async def finalize_shutdown(self) -> None:
        await self._shutting

    # What its parts call

    async def activate(self, activation: WorkflowActivation) -> WorkflowActivationCompletion:
        """Have the SDK carry out an activation."""
        answer: asyncio.Future[WorkflowActivationCompletion] = asyncio.get_running_loop().create_future()
        self._answers[activation.run_id] = answer
        self._activations.put_nowait(activation)
        return await answer

    def went_on(self) -> None:
        """Take in that an activity ended."""
        self._moved.set()

    def _begin(self) -> None:
        kinds = self._config.task_types
        if kinds.enable_workflows:
            names = [self.queue, *([self.sticky.queue] if self.sticky else [])]
            self._polls += [asyncio.create_task(self._poll(name), name=f"poll of {name}") for name in names]
        if kinds.enable_remote_activities:
            self._polls.append(asyncio.create_task(self.activities.poll(), name=f"activities of {self.queue}"))

    async def _poll(self, name: str) -> None:
        queue = self.server.matching.queue("workflow", name)
        while not self.stopping:
            task = await queue.poll(self.identity)
            if isinstance(task, WorkflowTask):
                self._spawn(self._work(task))
            elif isinstance(task, Query):
                self._spawn(self._answer(task))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, task: WorkflowTask) -> None:
        """Carry out a workflow task and report it; a run whose task fails leaves the cache."""
        cached = await self._take(task.run.workflow_id, task.run.run_id, len(task.events))
        try:
            answer = await cached.work(task)
            self._report(task, cached, answer)
        except TaskFailedError as error:
            await self._fail(task, cached, _CAUSE.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE, error.failure)
        except NondeterminismError as error:
            failure = Failure(message=str(error))
            await self._fail(task, cached, _CAUSE.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR, failure)
        except RPCError:
            await self._evict(cached)
        else:
            if cached.machines.ended:
                await self._evict(cached)
        finally:
            cached.lock.release()
        await self._shrink()

    def _report(self, task: WorkflowTask, cached: CachedRun, answer: Any) -> None:
        base, written = task.base, not task.speculative
        self.server.tasks.complete(task, answer, self.identity)
        if not written and len(task.run.events) < cached.cursor:
            cached.cursor = base

    async def _take(self, workflow_id: str, run_id: str, length: int) -> CachedRun:
        """Return the run, for this task alone; one that was dropped meanwhile, or is ahead of the history, begins anew."""
        while True:
            cached = self._cache.get(run_id)
            if cached is None:
                cached = self._cache[run_id] = CachedRun(self, workflow_id, run_id)
            await cached.lock.acquire()
            if not cached.gone and cached.cursor <= length:
                self._cache.move_to_end(run_id)
                return cached
            await self._evict(cached)
            cached.lock.release()

    async def _fail(
        self, task: WorkflowTask, cached: CachedRun, cause: WorkflowTaskFailedCause.ValueType, failure: Failure
    ) -> None:
        """Report a failure, of a first attempt alone: later ones run into their timeout, as with the real core."""
        await self._evict(cached)
        if task.attempt == 1:
            try:
                self.server.tasks.fail(task, cause, failure, self.identity)
            except RPCError:
                return

    async def _answer(self, query: Query) -> None:
        cached = await self._take(query.run.workflow_id, query.run.run_id, len(query.run.events))
        try:
            found = await cached.query(query.run.events, query.id, query.asked)
        except (TaskFailedError, NondeterminismError) as error:
            self._tell(query, refusal(RPCStatusCode.INVALID_ARGUMENT, str(error)))
            await self._evict(cached)
            return
        finally:
            cached.lock.release()
        if found.HasField("failed"):
            self._tell(query, refusal(RPCStatusCode.INVALID_ARGUMENT, found.failed.message))
        else:
            self._tell(query, Payloads(payloads=[found.succeeded.response]))
        if not query.run.open:
            await self._evict(cached)

    def _tell(self, query: Query, answer: Any) -> None:
        if not query.answer.done():
            query.answer.set_result(answer)

    async def _shrink(self) -> None:
        while len(self._cache) > self._config.max_cached_workflows:
            oldest = next(iter(self._cache.values()))
            async with oldest.lock:
                await self._evict(oldest)

    async def _evict(self, cached: CachedRun) -> None:
        """Have the SDK drop a run."""
        if cached.gone:
            return
        cached.gone = True
        cached.locals.stop()
        if cached.cursor:
            job = WorkflowActivationJob(remove_from_cache=RemoveFromCache(message="evicted"))
            await self.activate(WorkflowActivation(run_id=cached.run_id, jobs=[job]))
        if self._cache.get(cached.run_id) is cached:
            del self._cache[cached.run_id]

    async def _shut_down(self) -> None:
        if self.sticky is not None:
            self.server.tasks.close_sticky(self.sticky.queue)
        if self._polls:
            await asyncio.wait(self._polls)
        patience = self._config.graceful_shutdown_period_millis / 1000
        telling = asyncio.get_running_loop().call_later(patience, self.activities.shut_down)
        while self._working:
            await asyncio.wait(list(self._working))
        for cached in list(self._cache.values()):
            await self._evict(cached)
        self._activations.put_nowait(None)
        while not self.activities.idle:
            self._moved.clear()
            await self._moved.wait()
        telling.cancel()
        self.activities.tasks.put_nowait(None)


@contextmanager
def installed() -> Iterator[None]:
    """Give workers whose client is simulated a simulated core while the block lasts; others get the real one."""
    real = bridge.Worker.create

    def create(client: Any, config: bridge.WorkerConfig) -> Any:
        return Core(client.server, config) if isinstance(client, Bridge) else real(client, config)

    bridge.Worker.create = staticmethod(create)  # type: ignore[method-assign]
    try:
        with sparing():
            yield
    finally:
        bridge.Worker.create = staticmethod(real)  # type: ignore[method-assign]


def _slots(supplier: Any) -> int:
    return int(supplier.num_slots)

"""The activities of one worker: polled within its slots, handed to the SDK, heartbeats throttled, cancellations passed on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.activity_result import ActivityExecutionResult
from temporalio.bridge.proto.activity_task import ActivityCancelReason, ActivityTask, Start
from temporalio.service import RPCError

from tests.simulation.clock import now
from tests.simulation.temporal_core.local import LocalActivity, timed_out
from tests.simulation.temporal_server.activities import ActivityAttempt
from tests.simulation.temporal_server.history import seconds, stamp

if TYPE_CHECKING:
    from tests.simulation.temporal_core.worker import Core

_GRACE: Final = 5.0
"""Seconds beyond its time after which an activity is told that it is over."""
_FLAGS: Final = {
    ActivityCancelReason.NOT_FOUND: "is_not_found",
    ActivityCancelReason.CANCELLED: "is_cancelled",
    ActivityCancelReason.TIMED_OUT: "is_timed_out",
    ActivityCancelReason.WORKER_SHUTDOWN: "is_worker_shutdown",
}

_SHUT_DOWN: Final = Failure(message="Worker is shutting down and this activity did not complete in time")
_SHUT_DOWN.application_failure_info.type = "WorkerShutdown"


@dataclass(slots=True, eq=False)
class Held:
    """An activity that the SDK carries out."""

    token: bytes
    attempt: ActivityAttempt | None = None
    outcome: asyncio.Future[ActivityExecutionResult] | None = None
    """The end of a local activity."""
    cancelled: ActivityCancelReason.ValueType | None = None
    """The reason for which the SDK was told to cancel it."""
    details: Payloads | None = None
    throttle: asyncio.TimerHandle | None = None
    limit: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class WorkerActivities:
    """The activities that one worker has."""

    core: Core
    slots: int
    tasks: asyncio.Queue[ActivityTask | None] = field(default_factory=asyncio.Queue)
    _held: dict[bytes, Held] = field(default_factory=dict)
    _local: dict[LocalActivity, Held] = field(default_factory=dict)
    _free: asyncio.Event = field(default_factory=asyncio.Event)
    _tokens: int = 0

    @property
    def idle(self) -> bool:
        """True if the SDK carries out none."""
        return not self._held

    async def poll(self) -> None:
        """Poll the task queue for as long as there are slots."""
        queue = self.core.server.matching.queue("activity", self.core.queue)
        while not self.core.stopping:
            while len(self._held) - len(self._local) >= self.slots:
                self._free.clear()
                await self._free.wait()
            attempt = await queue.poll(self.core.identity)
            if isinstance(attempt, ActivityAttempt):
                self._begin(attempt)

    def complete(self, token: bytes, result: ActivityExecutionResult) -> None:
        """Take in the end of an activity."""
        held = self._held.pop(token, None)
        if held is None:
            return
        for handle in (held.throttle, held.limit):
            if handle is not None:
                handle.cancel()
        self._free.set()
        if held.outcome is not None and not held.outcome.done():
            held.outcome.set_result(result)
        if held.attempt is not None:
            self._flush(held)
            self._report(held, held.attempt, result)
        self.core.went_on()

    def beat(self, token: bytes, details: Any) -> None:
        """Take in a heartbeat: one is sent at once, and those soon after it together."""
        held = self._held.get(token)
        if held is None or held.attempt is None:
            return
        held.details = Payloads(payloads=details)
        if held.throttle is None:
            self._send(held)

    def shut_down(self) -> None:
        """Tell all activities that the worker goes."""
        for held in list(self._held.values()):
            self._cancel(held, ActivityCancelReason.WORKER_SHUTDOWN)

    async def run_local(self, local: LocalActivity, start: Start, limit: float) -> ActivityExecutionResult:
        """Have a local activity carried out, and return how it ended."""
        held = self._hold()
        held.outcome = asyncio.get_running_loop().create_future()
        self._local[local] = held
        self.tasks.put_nowait(ActivityTask(task_token=held.token, start=start))
        try:
            async with asyncio.timeout(limit or None):
                return await held.outcome
        except TimeoutError:
            self._cancel(held, ActivityCancelReason.TIMED_OUT)
            result = ActivityExecutionResult()
            result.failed.failure.CopyFrom(timed_out(local))
            return result
        finally:
            del self._local[local]

    def cancel_local(self, local: LocalActivity) -> None:
        """Cancel a local activity that is being carried out."""
        if local in self._local:
            self._cancel(self._local[local], ActivityCancelReason.CANCELLED)

    def _hold(self) -> Held:
        self._tokens += 1
        held = Held(f"{self.core.identity}/{self._tokens}".encode())
        self._held[held.token] = held
        return held

    def _begin(self, attempt: ActivityAttempt) -> None:
        held = self._hold()
        held.attempt = attempt
        activity, asked = attempt.activity, attempt.activity.asked
        run = activity.run
        start = Start(
            workflow_namespace=self.core.namespace,
            workflow_type=run.started.workflow_type.name,
            activity_id=asked.activity_id,
            activity_type=asked.activity_type.name,
            header_fields=asked.header.fields,
            input=asked.input.payloads,
            heartbeat_details=activity.details.payloads if activity.details is not None else [],
            scheduled_time=stamp(activity.scheduled_at),
            current_attempt_scheduled_time=stamp(activity.attempt_scheduled_at),
            started_time=stamp(now()),
            attempt=activity.attempt,
            schedule_to_close_timeout=asked.schedule_to_close_timeout,
            start_to_close_timeout=asked.start_to_close_timeout,
            heartbeat_timeout=asked.heartbeat_timeout,
            retry_policy=asked.retry_policy,
            priority=asked.priority,
        )
        start.workflow_execution.workflow_id, start.workflow_execution.run_id = run.workflow_id, run.run_id
        limit = seconds(asked.start_to_close_timeout)
        if limit:
            loop = asyncio.get_running_loop()
            held.limit = loop.call_later(limit + _GRACE, self._cancel, held, ActivityCancelReason.TIMED_OUT)
        self.tasks.put_nowait(ActivityTask(task_token=held.token, start=start))

    def _send(self, held: Held) -> None:
        """Send the newest heartbeat, and the next one not at once."""
        held.throttle = None
        if held.attempt is None or held.details is None:
            return
        details, held.details = held.details, None
        limit = seconds(held.attempt.activity.asked.heartbeat_timeout)
        pause = min(0.8 * limit, self.core.max_throttle) if limit else self.core.default_throttle
        held.throttle = asyncio.get_running_loop().call_later(pause, self._send, held)
        try:
            if self.core.server.activities.beat(held.attempt, details):
                self._cancel(held, ActivityCancelReason.CANCELLED)
        except RPCError:
            self._cancel(held, ActivityCancelReason.NOT_FOUND)

    def _flush(self, held: Held) -> None:
        """Send a heartbeat that waits, whose details the next attempt needs."""
        if held.attempt is not None and held.details is not None and held.attempt.current:
            self.core.server.activities.beat(held.attempt, held.details)

    def _cancel(self, held: Held, reason: ActivityCancelReason.ValueType) -> None:
        if held.cancelled is not None or held.token not in self._held:
            return
        held.cancelled = reason
        task = ActivityTask(task_token=held.token)
        task.cancel.reason = reason
        setattr(task.cancel.details, _FLAGS[reason], True)
        self.tasks.put_nowait(task)

    def _report(self, held: Held, attempt: ActivityAttempt, result: ActivityExecutionResult) -> None:
        """Report the end to the server, which may care no longer."""
        activities = self.core.server.activities
        try:
            if result.HasField("completed"):
                done = result.completed
                activities.complete(attempt, Payloads(payloads=[done.result]) if done.HasField("result") else None)
            elif result.HasField("failed"):
                activities.fail(attempt, result.failed.failure)
            elif result.HasField("cancelled") and held.cancelled == ActivityCancelReason.WORKER_SHUTDOWN:
                activities.fail(attempt, _SHUT_DOWN)
            elif result.HasField("cancelled"):
                details = result.cancelled.failure.canceled_failure_info.details
                activities.cancelled(attempt, details if details.payloads else None)
        except RPCError:
            return

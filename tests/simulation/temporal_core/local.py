"""The local activities of one run: carried out within a workflow task, and kept as markers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.activity_result import DoBackoff
from temporalio.bridge.proto.activity_task import Start
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import ScheduleLocalActivity

from tests.simulation.clock import now
from tests.simulation.temporal_core import commands, jobs
from tests.simulation.temporal_core.decisions import LOCAL, TRY_CANCEL, WAIT
from tests.simulation.temporal_core.machines import Machines
from tests.simulation.temporal_core.states import Outgoing
from tests.simulation.temporal_server.history import duration, seconds, stamp

if TYPE_CHECKING:
    from tests.simulation.temporal_core.run import CachedRun

_THRESHOLD: Final = 60.0
"""Seconds of backoff beyond which the code, and not the core, waits for the next attempt."""


@dataclass(slots=True, eq=False)
class LocalActivity:
    """A local activity that isn't resolved."""

    asked: ScheduleLocalActivity
    scheduled_at: datetime
    attempt: int
    work: asyncio.Task[None] | None = None

    @property
    def activity_id(self) -> str:
        """Its id."""
        activity_id: str = self.asked.activity_id
        return activity_id

    @property
    def activity_type(self) -> str:
        """Its type."""
        activity_type: str = self.asked.activity_type
        return activity_type


@dataclass(slots=True)
class LocalActivities:
    """The local activities of a run."""

    run: CachedRun
    pending: dict[int, LocalActivity] = field(default_factory=dict)
    recorded: dict[int, Any] = field(default_factory=dict)
    """Markers of the history, by number, that the code hasn't asked for."""
    jobs: list[tuple[datetime, WorkflowActivationJob]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def schedule(self, asked: ScheduleLocalActivity) -> None:
        """Take in that the code wants a local activity; one that is recorded is resolved."""
        copied = ScheduleLocalActivity()
        copied.CopyFrom(asked)
        self.pending[asked.seq] = LocalActivity(copied, now(), max(1, asked.attempt))
        self.resolve_recorded()

    def resolve_recorded(self) -> None:
        """Resolve what the history has a marker for."""
        for seq in [seq for seq in self.pending if seq in self.recorded]:
            local, (data, body) = self.pending.pop(seq), self.recorded.pop(seq)
            done = data["complete_time"]
            at = datetime.fromtimestamp(done["seconds"], now().tzinfo).replace(microsecond=done["nanos"] // 1000)
            if body.HasField("failure"):
                self.jobs.append((at, self._failed(local, body.failure, data.get("backoff"))))
            else:
                result = body.details["result"].payloads if "result" in body.details else []
                self.jobs.append((at, jobs.activity_done(seq, result[0] if result else None, local=True)))

    def start(self) -> None:
        """Carry out what waits, now that the history has no word of it."""
        for local in self.pending.values():
            if local.work is None:
                local.work = asyncio.create_task(self._carry_out(local), name=f"local activity {local.activity_type}")

    def cancel(self, seq: int) -> None:
        """Take in that the code wants a local activity no longer."""
        local = self.pending.get(seq)
        if local is None:
            return
        if local.asked.cancellation_type != WAIT:
            self._resolve_cancelled(local)
        if local.asked.cancellation_type in (TRY_CANCEL, WAIT) and local.work is not None:
            self.run.core.activities.cancel_local(local)

    def stop(self) -> None:
        """Forget all of them, as the run leaves the cache."""
        for local in self.pending.values():
            if local.work is not None:
                local.work.cancel()
            self.run.core.activities.cancel_local(local)
        self.pending = {}

    async def _carry_out(self, local: LocalActivity) -> None:
        while True:
            outcome = await self.run.core.activities.run_local(local, self._start(local), self._limit(local))
            if self.pending.get(local.asked.seq) is not local:
                return
            if outcome.HasField("failed"):
                wait = _backoff(local, outcome.failed.failure)
                if wait is not None and wait <= (seconds(local.asked.local_retry_threshold) or _THRESHOLD):
                    local.attempt += 1
                    await asyncio.sleep(wait)
                    continue
                self._resolve_failed(local, outcome.failed.failure, wait)
            elif outcome.HasField("cancelled"):
                self._resolve_cancelled(local)
            else:
                self._resolve_done(local, outcome.completed.result)
            return

    def _limit(self, local: LocalActivity) -> float:
        asked = local.asked
        close, attempt = seconds(asked.schedule_to_close_timeout), seconds(asked.start_to_close_timeout)
        left = close - (now() - local.scheduled_at).total_seconds() if close else 0
        return min(each for each in (left, attempt) if each) if close or attempt else 0

    def _start(self, local: LocalActivity) -> Start:
        asked, run = local.asked, self.run
        start = Start(
            workflow_namespace=run.core.namespace,
            workflow_type=run.machines.started.workflow_type.name,
            activity_id=asked.activity_id,
            activity_type=asked.activity_type,
            header_fields=asked.headers,
            input=asked.arguments,
            scheduled_time=stamp(local.scheduled_at),
            current_attempt_scheduled_time=stamp(local.scheduled_at),
            started_time=stamp(now()),
            attempt=local.attempt,
            schedule_to_close_timeout=asked.schedule_to_close_timeout,
            start_to_close_timeout=asked.start_to_close_timeout,
            retry_policy=asked.retry_policy,
            is_local=True,
        )
        start.workflow_execution.workflow_id, start.workflow_execution.run_id = run.workflow_id, run.run_id
        return start

    def _resolve_done(self, local: LocalActivity, result: Payload) -> None:
        self._mark(local, result, None, None)
        self._resolve(local, jobs.activity_done(local.asked.seq, result, local=True))

    def _resolve_failed(self, local: LocalActivity, failure: Failure, wait: float | None) -> None:
        backoff = None if wait is None else {"seconds": int(wait), "nanos": round(wait % 1 * 1e9)}
        self._mark(local, None, failure, backoff)
        self._resolve(local, self._failed(local, failure, backoff))

    def _resolve_cancelled(self, local: LocalActivity) -> None:
        cause = Failure(message="Activity cancelled")
        cause.canceled_failure_info.SetInParent()
        failure = jobs.cancelled(local)
        self._mark(local, None, failure, None)
        self._resolve(local, jobs.activity_cancelled(local.asked.seq, failure, local=True))

    def _resolve(self, local: LocalActivity, job: WorkflowActivationJob) -> None:
        self.pending.pop(local.asked.seq, None)
        self.jobs.append((now(), job))
        self.changed.set()

    def _mark(self, local: LocalActivity, result: Payload | None, failure: Failure | None, backoff: Any) -> None:
        begun, done = stamp(local.scheduled_at), stamp(now())
        data = {
            "seq": local.asked.seq,
            "attempt": local.attempt,
            "activity_id": local.activity_id,
            "activity_type": local.activity_type,
            "complete_time": {"seconds": done.seconds, "nanos": done.nanos},
            "backoff": backoff,
            "original_schedule_time": {"seconds": begun.seconds, "nanos": begun.nanos},
        }
        machines: Machines = self.run.machines
        marker = commands.mark_local(data, result, failure)
        machines.outgoing.append(Outgoing(LOCAL, local.activity_id, marker))

    def _failed(self, local: LocalActivity, failure: Failure, backoff: Any) -> WorkflowActivationJob:
        if backoff is not None:
            again = DoBackoff(attempt=local.attempt + 1, original_schedule_time=stamp(local.scheduled_at))
            again.backoff_duration.CopyFrom(duration(backoff["seconds"] + backoff["nanos"] / 1e9))
            return jobs.activity_again(local.asked.seq, again)
        if failure.HasField("activity_failure_info") and failure.cause.HasField("canceled_failure_info"):
            return jobs.activity_cancelled(local.asked.seq, failure, local=True)
        if failure.HasField("timeout_failure_info"):
            failure = jobs.of_activity(failure, local)
            failure.message = "Local Activity timed out"
        return jobs.activity_failed(local.asked.seq, failure, local=True)


def _backoff(local: LocalActivity, failure: Failure) -> float | None:
    """Return the seconds until the next attempt, or None if there is none."""
    policy, info = local.asked.retry_policy, failure.application_failure_info
    if info.non_retryable or info.type in policy.non_retryable_error_types:
        return None
    if policy.maximum_attempts and local.attempt >= policy.maximum_attempts:
        return None
    wait = (seconds(policy.initial_interval) or 1.0) * (policy.backoff_coefficient or 2.0) ** (local.attempt - 1)
    wait = min(wait, seconds(policy.maximum_interval) or wait)
    close = seconds(local.asked.schedule_to_close_timeout)
    if close and (now() - local.scheduled_at).total_seconds() + wait > close:
        return None
    return seconds(info.next_retry_delay) if info.HasField("next_retry_delay") else wait


def timed_out(local: LocalActivity) -> Failure:
    """Return the failure of a local activity that took too long."""
    failure, kinds = Failure(message="Activity timed out"), TimeoutType
    attempt = seconds(local.asked.start_to_close_timeout) > 0
    failure.timeout_failure_info.timeout_type = (
        kinds.TIMEOUT_TYPE_START_TO_CLOSE if attempt else kinds.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
    )
    return failure

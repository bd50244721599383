"""Activities of runs: dispatch, timeouts, heartbeats, retries, cancellation.

Invariant: an attempt's start is in the history only when the activity ends, as on the real server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure

from tests.simulation.clock import call_later, now
from tests.simulation.temporal_server.errors import not_found
from tests.simulation.temporal_server.history import seconds

if TYPE_CHECKING:
    from tests.simulation.temporal_server.run import Run
    from tests.simulation.temporal_server.server import Server

_NAMES: Final = {
    TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE: "StartToClose",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START: "ScheduleToStart",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE: "ScheduleToClose",
    TimeoutType.TIMEOUT_TYPE_HEARTBEAT: "Heartbeat",
}
_ATTEMPT: Final = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
_START: Final = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START
_CLOSE: Final = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
_BEAT: Final = TimeoutType.TIMEOUT_TYPE_HEARTBEAT
_RETRIED: Final = (_ATTEMPT, _BEAT)


@dataclass(slots=True, eq=False)
class PendingActivity:
    """An activity that hasn't ended; `asked` are the attributes of the event that scheduled it."""

    run: Run
    scheduled_id: int
    asked: Any
    scheduled_at: datetime
    attempt: int = 1
    attempt_scheduled_at: datetime = field(default_factory=now)
    started_at: datetime | None = None
    identity: str = ""
    last_failure: Failure | None = None
    details: Payloads | None = None
    beat_at: datetime | None = None
    cancel_requested_id: int = 0
    handles: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    def stop(self) -> None:
        """Drop its timeouts."""
        for handle in self.handles.values():
            handle.cancel()
        self.handles = {}

    def set(self, name: str, after: float, act: Callable[..., None], *given: Any) -> None:
        """Set a timeout; 0 is none."""
        if name in self.handles:
            self.handles.pop(name).cancel()
        if after > 0:
            self.handles[name] = call_later(after, act, *given)


@dataclass(slots=True, eq=False)
class ActivityAttempt:
    """One attempt, on a queue or with a worker; what it reports counts only while the activity is at this attempt."""

    activity: PendingActivity
    number: int

    @property
    def current(self) -> bool:
        """True if the activity hasn't ended, and hasn't gone on to another attempt."""
        activity = self.activity
        here = activity.run.activities.get(activity.scheduled_id) is activity
        return here and activity.attempt == self.number and activity.run.open

    @property
    def wanted(self) -> bool:
        """True if nobody has it."""
        return self.current and self.activity.started_at is None

    def begin(self, identity: str) -> None:
        """Take in that a worker gets it."""
        self.activity.run.server.activities.start(self, identity)


@dataclass(frozen=True, slots=True)
class Activities:
    """The activities of all runs."""

    server: Server

    def add(self, run: Run, scheduled_id: int, asked: Any, scheduled_at: datetime) -> None:
        """Have an activity carried out."""
        activity = PendingActivity(run, scheduled_id, asked, scheduled_at)
        run.activities[scheduled_id] = activity
        left = seconds(asked.schedule_to_close_timeout)
        activity.set("close", left, self._time_out, activity, _CLOSE)
        self._dispatch(activity)

    def start(self, attempt: ActivityAttempt, identity: str) -> None:
        """Hand an attempt to a worker."""
        activity, asked = attempt.activity, attempt.activity.asked
        activity.started_at, activity.identity = now(), identity
        activity.set("start", 0, self._time_out)
        limit = seconds(asked.start_to_close_timeout)
        activity.set("attempt", limit, self._time_out, activity, _ATTEMPT)
        activity.set("beat", seconds(asked.heartbeat_timeout), self._time_out, activity, _BEAT)
        self.server.handed_out(activity.run, asked.activity_type.name, identity)

    def beat(self, attempt: ActivityAttempt, details: Payloads) -> bool:
        """Take in a heartbeat, and return whether the activity is to be cancelled.

        Raises:
            RPCError: the attempt counts no longer.

        """
        self._check(attempt)
        activity = attempt.activity
        activity.details, activity.beat_at = details, now()
        limit = seconds(activity.asked.heartbeat_timeout)
        activity.set("beat", limit, self._time_out, activity, _BEAT)
        return activity.cancel_requested_id > 0

    def complete(self, attempt: ActivityAttempt, result: Payloads | None) -> None:
        """Take in a result.

        Raises:
            RPCError: the attempt counts no longer.

        """
        self._check(attempt)
        self._end(attempt.activity, "ACTIVITY_TASK_COMPLETED", result=result, identity=attempt.activity.identity)

    def fail(self, attempt: ActivityAttempt, failure: Failure) -> None:
        """Take in a failure: the activity is tried again, or ends.

        Raises:
            RPCError: the attempt counts no longer.

        """
        self._check(attempt)
        activity = attempt.activity
        state = self._retry(activity, failure)
        if state is not None:
            self._end(activity, "ACTIVITY_TASK_FAILED", failure=failure, retry_state=state, identity=activity.identity)

    def cancelled(self, attempt: ActivityAttempt, details: Payloads | None) -> None:
        """Take in that an activity heeded its cancellation.

        Raises:
            RPCError: the attempt counts no longer.

        """
        self._check(attempt)
        activity = attempt.activity
        asked = activity.cancel_requested_id
        self._end(
            activity,
            "ACTIVITY_TASK_CANCELED",
            details=details,
            latest_cancel_requested_event_id=asked,
            identity=activity.identity,
        )

    def cancel(self, activity: PendingActivity, requested_id: int) -> None:
        """Have an activity end; at once if no worker has it."""
        activity.cancel_requested_id = requested_id
        if activity.started_at is None:
            self._end(activity, "ACTIVITY_TASK_CANCELED", latest_cancel_requested_event_id=requested_id)

    def _check(self, attempt: ActivityAttempt) -> None:
        if not attempt.current or attempt.activity.started_at is None:
            raise not_found("invalid activityID or activity already timed out or invoking workflow is completed")

    def _dispatch(self, activity: PendingActivity) -> None:
        activity.attempt_scheduled_at = now()
        limit = seconds(activity.asked.schedule_to_start_timeout)
        activity.set("start", limit, self._time_out, activity, _START)
        queue = self.server.matching.queue("activity", activity.asked.task_queue.name)
        self.server.later(queue.offer, ActivityAttempt(activity, activity.attempt))

    def _time_out(self, activity: PendingActivity, kind: TimeoutType.ValueType) -> None:
        failure = _timed_out(activity, kind)
        state = self._retry(activity, failure) if kind in _RETRIED else RetryState.RETRY_STATE_TIMEOUT
        if state is None:
            return
        if state == RetryState.RETRY_STATE_TIMEOUT and activity.started_at is not None:
            failure = _timed_out(activity, _CLOSE, late=True)
        if activity.last_failure is not None:
            failure.cause.CopyFrom(activity.last_failure)
        self._end(activity, "ACTIVITY_TASK_TIMED_OUT", failure=failure, retry_state=state)

    def _retry(self, activity: PendingActivity, failure: Failure) -> RetryState.ValueType | None:
        """Have the activity tried again, and return None, or why it isn't."""
        wait, state = _next_try(activity, failure)
        if state is not None:
            return state
        activity.last_failure = failure
        activity.attempt += 1
        activity.started_at = None
        for name in ("attempt", "beat"):
            activity.set(name, 0, self._dispatch)
        activity.set("start", wait, self._dispatch, activity)
        return None

    def _end(self, activity: PendingActivity, kind: str, **fields: Any) -> None:
        run = activity.run
        activity.stop()
        del run.activities[activity.scheduled_id]

        def write() -> None:
            started = 0
            if activity.started_at is not None:
                started = run.write(
                    "ACTIVITY_TASK_STARTED",
                    scheduled_event_id=activity.scheduled_id,
                    attempt=activity.attempt,
                    identity=activity.identity,
                    last_failure=activity.last_failure,
                ).event_id
            run.write(kind, scheduled_event_id=activity.scheduled_id, started_event_id=started, **fields)

        run.happen(kind, write)


def _next_try(activity: PendingActivity, failure: Failure) -> tuple[float, RetryState.ValueType | None]:
    """Return the seconds until the next attempt, or why there is none."""
    policy, states = activity.asked.retry_policy, RetryState
    if activity.cancel_requested_id:
        return 0, states.RETRY_STATE_CANCEL_REQUESTED
    if _is_final(failure, policy.non_retryable_error_types):
        return 0, states.RETRY_STATE_NON_RETRYABLE_FAILURE
    if policy.maximum_attempts and activity.attempt >= policy.maximum_attempts:
        return 0, states.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
    wait = seconds(policy.initial_interval) * policy.backoff_coefficient ** (activity.attempt - 1)
    wait = min(wait, seconds(policy.maximum_interval) or wait)
    if failure.application_failure_info.HasField("next_retry_delay"):
        wait = seconds(failure.application_failure_info.next_retry_delay)
    limit = seconds(activity.asked.schedule_to_close_timeout)
    begun = activity.scheduled_at
    if limit and (now() - begun).total_seconds() + wait > limit:
        return 0, states.RETRY_STATE_TIMEOUT
    return max(wait, 1e-6), None


def _is_final(failure: Failure, types: Any) -> bool:
    if failure.HasField("terminated_failure_info") or failure.HasField("canceled_failure_info"):
        return True
    if failure.HasField("application_failure_info"):
        info = failure.application_failure_info
        return info.non_retryable or info.type in types
    return False


def _timed_out(activity: PendingActivity, kind: TimeoutType.ValueType, *, late: bool = False) -> Failure:
    why = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"
    failure = Failure(message=why if late else f"activity {_NAMES[kind]} timeout", source="Server")
    failure.timeout_failure_info.timeout_type = kind
    if activity.details is not None and kind == _BEAT:
        failure.timeout_failure_info.last_heartbeat_details.CopyFrom(activity.details)
    return failure

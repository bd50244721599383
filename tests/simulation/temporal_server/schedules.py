"""Schedules: runs that are started at intervals, one at a time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import ScheduleActionResult, ScheduleInfo
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

from tests.simulation.clock import call_later, now
from tests.simulation.temporal_server.errors import already_started, not_found
from tests.simulation.temporal_server.history import seconds, stamp

if TYPE_CHECKING:
    from datetime import datetime

    from tests.simulation.temporal_server.run import Run
    from tests.simulation.temporal_server.server import Server

_KEPT: Final = 10
_SKIPS: Final = (ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_UNSPECIFIED, ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP)


@dataclass(slots=True)
class Kept:
    """A schedule."""

    id: str
    schedule: Any
    created_at: datetime
    token: int = 1
    running: list[Run] = field(default_factory=list)
    recent: list[ScheduleActionResult] = field(default_factory=list)
    count: int = 0
    skipped: int = 0
    timer: asyncio.TimerHandle | None = None
    due: float = 0.0


@dataclass(slots=True)
class Schedules:
    """All schedules."""

    server: Server
    _kept: dict[str, Kept] = field(default_factory=dict)

    def get(self, schedule_id: str) -> Kept:
        """Return a schedule.

        Raises:
            RPCError: there is none of this id.

        """
        if schedule_id not in self._kept:
            raise not_found("workflow not found for ID: temporal-sys-scheduler:" + schedule_id)
        return self._kept[schedule_id]

    def create(self, schedule_id: str, schedule: Any, patch: Any) -> Kept:
        """Keep a schedule, and start its first run where the patch asks for that.

        Raises:
            RPCError: there is one of this id.

        """
        if schedule_id in self._kept:
            raise already_started("", "", "")
        kept = self._kept[schedule_id] = Kept(schedule_id, schedule, now())
        self._set(kept)
        if patch is not None:
            self.patch(kept, patch)
        return kept

    def update(self, kept: Kept, schedule: Any) -> None:
        """Replace a schedule."""
        kept.schedule, kept.token = schedule, kept.token + 1
        self._set(kept)

    def delete(self, kept: Kept) -> None:
        """Drop a schedule; its runs go on."""
        if kept.timer is not None:
            kept.timer.cancel()
        del self._kept[kept.id]

    def patch(self, kept: Kept, patch: Any) -> None:
        """Pause, resume or trigger a schedule."""
        if patch.HasField("trigger_immediately"):
            self._act(kept, patch.trigger_immediately.overlap_policy)
        if patch.pause:
            kept.schedule.state.paused, kept.schedule.state.notes = True, patch.pause
        if patch.unpause:
            kept.schedule.state.paused, kept.schedule.state.notes = False, patch.unpause

    def info(self, kept: Kept) -> ScheduleInfo:
        """Return what a schedule has done."""
        info = ScheduleInfo(
            action_count=kept.count,
            overlap_skipped=kept.skipped,
            create_time=stamp(kept.created_at),
            recent_actions=kept.recent,
            running_workflows=[_execution(run) for run in kept.running if run.open],
        )
        if kept.due:
            due = info.future_action_times.add()
            due.FromNanoseconds(round(kept.due * 1e9))
        return info

    def _set(self, kept: Kept) -> None:
        """Set the timer for the next interval; intervals are counted from the epoch."""
        if kept.timer is not None:
            kept.timer.cancel()
        loop = asyncio.get_running_loop()
        dues = []
        for each in kept.schedule.spec.interval:
            every, phase = seconds(each.interval), seconds(each.phase)
            dues.append(((loop.time() - phase) // every + 1) * every + phase)
        kept.due = min(dues, default=0.0)
        kept.timer = call_later(kept.due - loop.time(), self._fall_due, kept) if dues else None

    def _fall_due(self, kept: Kept) -> None:
        if not kept.schedule.state.paused:
            self._act(kept, kept.schedule.policies.overlap_policy)
        self._set(kept)

    def _act(self, kept: Kept, overlap: Any) -> None:
        kept.running = [run for run in (each.heirs() for each in kept.running) if run.open]
        if kept.running and (overlap or kept.schedule.policies.overlap_policy) in _SKIPS:
            kept.skipped += 1
            return
        action, at = kept.schedule.action.start_workflow, now()
        asked = StartWorkflowExecutionRequest(
            workflow_id=f"{action.workflow_id}-{at.strftime('%Y-%m-%dT%H:%M:%SZ')}",
            workflow_type=action.workflow_type,
            task_queue=action.task_queue,
            input=action.input,
            workflow_execution_timeout=action.workflow_execution_timeout,
            workflow_run_timeout=action.workflow_run_timeout,
            workflow_task_timeout=action.workflow_task_timeout,
            search_attributes=action.search_attributes,
            request_id=self.server.new_id(),
            identity="temporal-scheduler",
        )
        for name in ("user_metadata", "memo", "header"):
            if action.HasField(name):
                getattr(asked, name).CopyFrom(getattr(action, name))
        asked.search_attributes.indexed_fields["TemporalScheduledById"].CopyFrom(_payload(kept.id, b"Keyword"))
        asked.search_attributes.indexed_fields["TemporalScheduledStartTime"].CopyFrom(_payload(at.isoformat(), b"Datetime"))
        started = self.server.starts.start(asked)
        kept.running.append(started.run)
        kept.count += 1
        done = ScheduleActionResult(schedule_time=stamp(at), actual_time=stamp(at), start_workflow_result=_execution(started.run))
        kept.recent = [*kept.recent, done][-_KEPT:]


def _payload(value: str, kind: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain", "type": kind}, data=json.dumps(value).encode())


def _execution(run: Run) -> WorkflowExecution:
    return WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)

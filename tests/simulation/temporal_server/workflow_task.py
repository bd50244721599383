"""A workflow task, and a worker's answer to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.simulation.temporal_server.history import make_event

if TYPE_CHECKING:
    from tests.simulation.temporal_server.run import Run
    from tests.simulation.temporal_server.updates import UpdateAnswer

_STICKY: Final = TaskQueueKind.TASK_QUEUE_KIND_STICKY
_NORMAL: Final = TaskQueueKind.TASK_QUEUE_KIND_NORMAL


@dataclass(frozen=True, slots=True)
class Sticky:
    """The queue of the worker that has a run in its cache, and how long a task waits there."""

    queue: str
    patience: float


@dataclass(frozen=True, slots=True)
class TaskAnswer:
    """A worker's answer to a task: `again` asks for another one at once, though nothing has happened."""

    commands: Sequence[Command] = ()
    sticky: Sticky | None = None
    metadata: WorkflowTaskCompletedMetadata | None = None
    again: bool = False
    updates: Mapping[str, UpdateAnswer] = field(default_factory=dict)
    """Answers to updates, by the messages that carry them."""


@dataclass(slots=True, eq=False)
class WorkflowTask:
    """A task of a run; `token` tells it from all others."""

    run: Run
    attempt: int
    token: int
    queue: str
    sticky: bool
    scheduled_id: int = 0
    started_id: int = 0
    started: bool = False
    speculative: bool = False
    """True if the task is for an update alone, and leaves nothing in the history where that is refused."""
    events: list[HistoryEvent] = field(default_factory=list)
    """The history as its worker got it."""
    base: int = 0
    """Number of events when a later attempt was scheduled."""
    handles: list[asyncio.TimerHandle] = field(default_factory=list)

    @property
    def wanted(self) -> bool:
        """True if it is the run's task, and nobody has it."""
        return self.run.task is self and not self.started

    def begin(self, identity: str) -> None:
        """Take in that a worker gets it."""
        self.run.server.tasks.start(self, identity)

    @property
    def transient(self) -> bool:
        """True if it isn't in the history yet."""
        return self.scheduled_id == 0

    def stop(self) -> None:
        """Drop its timeouts."""
        for handle in self.handles:
            handle.cancel()
        self.handles = []

    def snapshot(self) -> list[HistoryEvent]:
        """Return the history as its worker is to get it."""
        if not self.transient:
            return list(self.run.events)
        return [*self.run.events, *unwritten(self)]


def scheduled_fields(task: WorkflowTask) -> dict[str, Any]:
    """Return the attributes of the event that schedules a task."""
    kind = _STICKY if task.sticky else _NORMAL
    queue = TaskQueue(name=task.queue, kind=kind, normal_name=task.run.queue if task.sticky else "")
    return {"task_queue": queue, "attempt": task.attempt, "start_to_close_timeout": task.run.started.workflow_task_timeout}


def write_started(task: WorkflowTask, identity: str) -> int:
    """Write that a worker has a task, and return the event's id."""
    size, request = task.run.size, task.run.server.new_id()
    event = task.run.write(
        "WORKFLOW_TASK_STARTED",
        scheduled_event_id=task.scheduled_id,
        identity=identity,
        request_id=request,
        history_size_bytes=size,
        suggest_continue_as_new=len(task.run.events) >= task.run.server.suggest_at,
    )
    return event.event_id


def unwritten(task: WorkflowTask) -> list[HistoryEvent]:
    """Return the events of a later attempt, which its worker gets and the history doesn't have."""
    scheduled = make_event(task.run.next_id, "WORKFLOW_TASK_SCHEDULED", **scheduled_fields(task))
    started = make_event(task.run.next_id + 1, "WORKFLOW_TASK_STARTED", scheduled_event_id=scheduled.event_id)
    return [scheduled, started]

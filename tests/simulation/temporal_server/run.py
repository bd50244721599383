"""One run: its history, and all that is pending in it.

Contract: what happens to a run while a worker has its workflow task is written when that task ends, as the real server does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import Memo, SearchAttributes
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.history.v1 import HistoryEvent

from tests.simulation.clock import call_later, is_over, now
from tests.simulation.temporal_server.errors import world_ended
from tests.simulation.temporal_server.history import attributes_of, kind_of, make_event, stamp

if TYPE_CHECKING:
    from tests.simulation.temporal_server.activities import PendingActivity
    from tests.simulation.temporal_server.relations import PendingChild, PendingTimer
    from tests.simulation.temporal_server.server import Server
    from tests.simulation.temporal_server.updates import PendingUpdate
    from tests.simulation.temporal_server.workflow_task import Sticky, WorkflowTask

RUNNING: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
COMPLETED: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED
FAILED: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED
CANCELED: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED
TERMINATED: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED
CONTINUED: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
TIMED_OUT: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT

_LAST: Final = (
    "ACTIVITY_TASK_COMPLETED",
    "ACTIVITY_TASK_FAILED",
    "ACTIVITY_TASK_TIMED_OUT",
    "ACTIVITY_TASK_CANCELED",
    "CHILD_WORKFLOW_EXECUTION_COMPLETED",
    "CHILD_WORKFLOW_EXECUTION_FAILED",
    "CHILD_WORKFLOW_EXECUTION_CANCELED",
    "CHILD_WORKFLOW_EXECUTION_TIMED_OUT",
    "CHILD_WORKFLOW_EXECUTION_TERMINATED",
)
"""Events that are written behind all others that happened in the same workflow task."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The run that started a run, and the event by which it did."""

    run: Run
    initiated_id: int


@dataclass(slots=True, eq=False)
class Run:
    """A run."""

    server: Server
    workflow_id: str
    run_id: str
    started: Any
    """The attributes of its first event."""
    parent: Parent | None = None
    events: list[HistoryEvent] = field(default_factory=list)
    status: WorkflowExecutionStatus.ValueType = RUNNING
    started_at: datetime = field(default_factory=now)
    closed_at: datetime | None = None
    memo: Memo = field(default_factory=Memo)
    search_attributes: SearchAttributes = field(default_factory=SearchAttributes)
    task: WorkflowTask | None = None
    sticky: Sticky | None = None
    task_version: int = 0
    activities: dict[int, PendingActivity] = field(default_factory=dict)
    timers: dict[str, PendingTimer] = field(default_factory=dict)
    children: dict[int, PendingChild] = field(default_factory=dict)
    updates: dict[str, PendingUpdate] = field(default_factory=dict)
    queries: list[Any] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    cancel_requested: bool = False
    deciding: bool = False
    """True while a worker's commands are carried out."""
    deadlines: list[asyncio.TimerHandle] = field(default_factory=list)
    size: int = 0
    successor: Run | None = None
    """The run that goes on in its place: continued, or reset."""
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)
    _waiting_for_end: list[asyncio.Future[None]] = field(default_factory=list)
    _buffer: list[tuple[str, Callable[[], Any]]] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """True if it hasn't ended."""
        return self.status == RUNNING

    @property
    def queue(self) -> str:
        """The name of its task queue."""
        name: str = self.started.task_queue.name
        return name

    @property
    def next_id(self) -> int:
        """The id of the next event."""
        return len(self.events) + 1

    @property
    def has_buffered(self) -> bool:
        """True if something happened that no worker has been told, since its workflow task began."""
        return bool(self._buffer)

    def write(self, kind: str, metadata: Any = None, **fields: Any) -> HistoryEvent:
        """Write an event, now.

        Raises:
            RPCError: the world has ended.

        """
        if is_over():
            raise world_ended()
        event = make_event(self.next_id, kind, metadata, **fields)
        self.events.append(event)
        self.size += event.ByteSize()
        self._wake()
        return event

    def happen(self, kind: str, write: Callable[[], Any]) -> None:
        """Have an event written now, or when the workflow task that is under way ends, and the run learn of it."""
        if not self.open:
            return
        if self.deciding or (self.task is not None and self.task.started):
            self._buffer.append((kind, write))
            return
        write()
        self.server.tasks.schedule(self)

    def flush(self) -> bool:
        """Write what happened during a workflow task; return whether there was anything."""
        happened, self._buffer = self._buffer, []
        for _, write in sorted(happened, key=lambda each: each[0] in _LAST):
            write()
        return bool(happened)

    def close(self, status: WorkflowExecutionStatus.ValueType) -> None:
        """End the run, as the event that was just written says; whatever is pending is dropped."""
        self.status, self.closed_at = status, now()
        for handle in self.deadlines:
            handle.cancel()
        for activity in self.activities.values():
            activity.stop()
        for timer in self.timers.values():
            timer.handle.cancel()
        if self.task is not None:
            self.task.stop()
        self.task, self.activities, self.timers, self._buffer = None, {}, {}, []
        self.server.closed(self)
        self._wake()

    def deadline(self, after: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        """Do something later, unless the run ends before."""
        handle = call_later(after, act)
        self.deadlines = [each for each in self.deadlines if not each.cancelled()] if len(self.deadlines) > 8 else self.deadlines
        self.deadlines.append(handle)
        return handle

    async def changed(self, *, ends: bool = False) -> None:
        """Wait for the next event, or the end; `ends`: for that alone."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting_for_end if ends else self._waiting).append(waiting)
        await waiting

    def heirs(self) -> Run:
        """Return the last run that goes on in this one's place."""
        return self.successor.heirs() if self.successor is not None else self

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not self.open:
            waiting, self._waiting_for_end = [*waiting, *self._waiting_for_end], []
        for each in waiting:
            if not each.done():
                each.set_result(None)


def begun_at(run: Run) -> Any:
    """Return the time of its start as messages have it."""
    return stamp(run.started_at)


def trace(run: Run) -> list[tuple[str, Any]]:
    """Return the types and attributes of its events."""
    return [(kind_of(event), attributes_of(event)) for event in run.events]

"""Workflow tasks: one at a time for a run, on its queue or its worker's own, with timeouts and attempts.

Invariant: an attempt after the first leaves nothing in the history until it is completed, as on the real server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.service import RPCStatusCode

from tests.simulation.clock import call_later
from tests.simulation.temporal_server import commands
from tests.simulation.temporal_server.defaults import DEFAULT_TIMEOUT, WORKFLOW_TASK
from tests.simulation.temporal_server.errors import not_found, refusal
from tests.simulation.temporal_server.history import seconds
from tests.simulation.temporal_server.workflow_task import TaskAnswer, WorkflowTask, scheduled_fields, write_started

if TYPE_CHECKING:
    from tests.simulation.temporal_server.run import Run
    from tests.simulation.temporal_server.server import Server

_PATIENT_ATTEMPTS: Final = 3
"""Number of attempts that follow each other at once; later ones may take longer each time."""
_LONGEST: Final = 600.0
_UNHANDLED: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND


@dataclass(frozen=True, slots=True)
class WorkflowTasks:
    """The workflow tasks of all runs."""

    server: Server

    def schedule(self, run: Run, attempt: int = 1, *, speculative: bool = False) -> None:
        """Give the run a task, unless it has one."""
        if run.task is not None:
            if run.task.speculative and not run.task.started and not speculative:
                self._write_scheduled(run.task)
            return
        if not run.open:
            return
        sticky = run.sticky if attempt == 1 else None
        run.task_version += 1
        task = WorkflowTask(run, attempt, run.task_version, sticky.queue if sticky else run.queue, sticky is not None)
        task.base, task.speculative = len(run.events), speculative
        run.task = task
        if attempt == 1 and not speculative:
            self._write_scheduled(task)
        if sticky is not None:
            task.handles.append(call_later(sticky.patience, self._leave_sticky, task))
        self.server.later(self._dispatch, task)

    def start(self, task: WorkflowTask, identity: str) -> None:
        """Hand a task to a worker."""
        run = task.run
        task.stop()
        if task.transient and not task.speculative and len(run.events) != task.base:
            task.attempt = 1
            self._write_scheduled(task)
        task.started = True
        if not task.transient:
            task.started_id = write_started(task, identity)
        task.events = task.snapshot()
        task.handles.append(call_later(_patience(task), self._time_out, task))
        self.server.handed_out(run, WORKFLOW_TASK, identity)

    def complete(self, task: WorkflowTask, answer: TaskAnswer, identity: str) -> None:
        """Carry out a worker's commands.

        Raises:
            RPCError: the task is no longer the worker's.

        """
        self._check(task)
        run = task.run
        if task.speculative and not answer.commands and all(each.is_rejection for each in answer.updates.values()):
            self._end(task)
            run.sticky = answer.sticky
            commands.reject_updates(run, answer)
            if run.flush():
                self.schedule(run)
            return
        self._put_in_writing(task, identity)
        ends = any(command.command_type in commands.ENDINGS for command in answer.commands)
        if ends and (run.has_buffered or _unread(run, answer)):
            self._fail(task, _UNHANDLED, Failure(message="UnhandledCommand"), identity)
            raise refusal(RPCStatusCode.INVALID_ARGUMENT, "UnhandledCommand")
        self._end(task)
        run.sticky = answer.sticky
        done = run.write(
            "WORKFLOW_TASK_COMPLETED",
            scheduled_event_id=task.scheduled_id,
            started_event_id=task.started_id,
            identity=identity,
            sdk_metadata=answer.metadata,
        )
        commands.reject_updates(run, answer)
        run.deciding = True
        for command in answer.commands:
            commands.carry_out(run, command, done.event_id, answer)
        run.deciding = False
        if run.open and (run.flush() | answer.again):
            self.schedule(run)
        elif run.open and any(not update.sent for update in run.updates.values()):
            self.schedule(run, speculative=True)

    def fail(self, task: WorkflowTask, cause: WorkflowTaskFailedCause.ValueType, failure: Failure, identity: str) -> None:
        """Take in that a worker could not carry a task out.

        Raises:
            RPCError: the task is no longer the worker's.

        """
        self._check(task)
        self._fail(task, cause, failure, identity)

    def drop(self, run: Run, cause: WorkflowTaskFailedCause.ValueType) -> None:
        """End the task that is under way, as the run ends without it."""
        task = run.task
        if task is None:
            return
        self._end(task)
        if task.started and not task.transient:
            run.write("WORKFLOW_TASK_FAILED", scheduled_event_id=task.scheduled_id, started_event_id=task.started_id, cause=cause)
        run.flush()

    def close_sticky(self, queue: str) -> None:
        """Take in that the worker of a sticky queue goes: what waits there goes to the runs' own queues."""
        own = self.server.matching.queue("workflow", queue)
        own.closed = True
        for task in list(own.tasks):
            if isinstance(task, WorkflowTask) and task.wanted:
                self._dispatch(task)
        own.tasks.clear()

    def _dispatch(self, task: WorkflowTask) -> None:
        if not task.wanted:
            return
        queue = self.server.matching.queue("workflow", task.queue)
        if task.sticky and queue.closed:
            task.stop()
            queue = self.server.matching.queue("workflow", task.run.queue)
        queue.offer(task)

    def _check(self, task: WorkflowTask) -> None:
        if task.run.task is not task or not task.started:
            raise not_found("Workflow task not found.")

    def _end(self, task: WorkflowTask) -> None:
        task.stop()
        task.run.task = None

    def _write_scheduled(self, task: WorkflowTask) -> None:
        task.scheduled_id = task.run.write("WORKFLOW_TASK_SCHEDULED", **scheduled_fields(task)).event_id
        task.speculative = False

    def _put_in_writing(self, task: WorkflowTask, identity: str) -> None:
        if task.transient:
            self._write_scheduled(task)
            task.started_id = write_started(task, identity)

    def _fail(self, task: WorkflowTask, cause: WorkflowTaskFailedCause.ValueType, failure: Failure, identity: str) -> None:
        run = task.run
        self._end(task)
        run.sticky = None
        if not task.transient:
            run.write(
                "WORKFLOW_TASK_FAILED",
                scheduled_event_id=task.scheduled_id,
                started_event_id=task.started_id,
                cause=cause,
                failure=failure,
                identity=identity,
            )
        _send_again(run)
        happened = run.flush()
        self.schedule(run, attempt=1 if happened or cause == _UNHANDLED else task.attempt + 1)

    def _leave_sticky(self, task: WorkflowTask) -> None:
        """Give up waiting for the worker that has the run in its cache."""
        if not task.wanted:
            return
        run = task.run
        self._end(task)
        run.sticky = None
        if not task.transient:
            kind = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START
            run.write("WORKFLOW_TASK_TIMED_OUT", scheduled_event_id=task.scheduled_id, timeout_type=kind)
        self.schedule(run)

    def _time_out(self, task: WorkflowTask) -> None:
        run = task.run
        self._end(task)
        run.sticky = None
        if not task.transient:
            ids = {"scheduled_event_id": task.scheduled_id, "started_event_id": task.started_id}
            run.write("WORKFLOW_TASK_TIMED_OUT", timeout_type=TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE, **ids)
        _send_again(run)
        self.schedule(run, attempt=1 if run.flush() else task.attempt + 1)


def _patience(task: WorkflowTask) -> float:
    given = seconds(task.run.started.workflow_task_timeout) or DEFAULT_TIMEOUT
    if task.attempt <= _PATIENT_ATTEMPTS:
        return given
    return float(min(given * 2 ** (task.attempt - _PATIENT_ATTEMPTS), _LONGEST))


def _send_again(run: Run) -> None:
    """Have updates sent again that no worker has accepted."""
    for update in run.updates.values():
        update.sent = update.sent and update.accepted_id > 0


def _unread(run: Run, answer: TaskAnswer) -> bool:
    """Return whether an update came that the worker has not seen."""
    return any(not update.sent for update in run.updates.values()) and not answer.updates

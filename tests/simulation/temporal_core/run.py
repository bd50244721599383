"""One run in a worker's cache: its code at work, task by task, or replayed from the history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata
from temporalio.bridge.proto.workflow_activation import (
    DoUpdate,
    NotifyHasPatch,
    WorkflowActivation,
    WorkflowActivationJob,
)

from tests.simulation.temporal_core.local import LocalActivities
from tests.simulation.temporal_core.machines import Machines
from tests.simulation.temporal_core.states import Foreseen
from tests.simulation.temporal_server.history import KINDS, seconds, stamp
from tests.simulation.temporal_server.workflow_task import TaskAnswer, WorkflowTask

if TYPE_CHECKING:
    from tests.simulation.temporal_core.worker import Core

_STARTED: Final = KINDS["WORKFLOW_TASK_STARTED"]
_COMPLETED: Final = KINDS["WORKFLOW_TASK_COMPLETED"]
_MARKER: Final = KINDS["MARKER_RECORDED"]
_UPDATED: Final = KINDS["WORKFLOW_EXECUTION_UPDATE_ACCEPTED"]
_PATIENCE: Final = 0.8
"""Part of a task's time after which it is answered though local activities go on."""
_ORDER: Final = ("initialize_workflow", "notify_has_patch", "update_random_seed", "signal_workflow", "do_update")


class TaskFailedError(Exception):
    """The code failed, which fails the task."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(slots=True)
class Chunk:
    """The events up to the start of one task, and what the history says of its commands."""

    events: Sequence[HistoryEvent]
    replayed: bool
    foreseen: Foreseen


@dataclass(slots=True)
class CachedRun:
    """A run in the cache."""

    core: Core
    workflow_id: str
    run_id: str
    machines: Machines = field(init=False)
    locals: LocalActivities = field(init=False)
    cursor: int = 0
    """Number of the history's events that have been applied."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    gone: bool = False
    """True if it has left the cache."""
    _flags: list[int] = field(default_factory=list)
    _used: list[int] = field(default_factory=list)
    _answers: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machines = Machines(self.workflow_id, self.core.namespace, self.core.queue)
        self.locals = LocalActivities(self)

    async def work(self, task: WorkflowTask) -> TaskAnswer:
        """Carry out a task, after a replay of whatever was before it, and return the answer.

        Raises:
            TaskFailedError: the code failed.
            NondeterminismError: the code decides otherwise than before.

        """
        begun = asyncio.get_running_loop().time()
        events = task.events
        await self._replay(events)
        self.machines.jobs += _updates(task)
        again = await self._go_on(events[-1], begun + _PATIENCE * seconds(task.run.started.workflow_task_timeout))
        commands = self.machines.send()
        updates, self.machines.updates = self.machines.updates, {}
        return TaskAnswer(commands, self.core.sticky, self._metadata(), again, updates)

    async def query(self, events: Sequence[HistoryEvent], query_id: str, asked: Any) -> Any:
        """Return the code's answer to a query."""
        last = max(index for index, event in enumerate(events) if event.event_type == _STARTED)
        await self._replay(events[:-1] if events[-1].event_type == _STARTED else events)
        job = WorkflowActivationJob()
        job.query_workflow.query_id, job.query_workflow.query_type = query_id, asked.query_type
        job.query_workflow.arguments.extend(asked.query_args.payloads)
        await self._activate([job], events[last], stamp_of(events[last]), replayed=False)
        return self._answers.pop(query_id)

    async def _replay(self, events: Sequence[HistoryEvent]) -> None:
        for chunk in _chunks(events, self.cursor):
            for event in chunk.events:
                self.machines.apply(event)
            self.cursor += len(chunk.events)
            self._flags += [flag for flag in chunk.foreseen.flags if flag not in self._flags]
            self.locals.recorded.update(chunk.foreseen.locals)
            self.locals.resolve_recorded()
            self.machines.jobs += [_patch(patch) for patch in chunk.foreseen.patches]
            self.machines.jobs += [_update(event, validate=False) for event in chunk.foreseen.updates]
            if chunk.replayed:
                await self._settle(chunk.events[-1], replayed=True)
                self.machines.send()
                self.machines.updates = {}

    async def _go_on(self, started: HistoryEvent, until: float) -> bool:
        """Activate the code until it waits for nothing that the task could bring; return whether local activities go on."""
        loop = asyncio.get_running_loop()
        while True:
            await self._settle(started, replayed=False)
            if self.machines.ended or not self.locals.pending:
                return False
            self.locals.start()
            self.locals.changed.clear()
            try:
                async with asyncio.timeout_at(max(until, loop.time())):
                    await self.locals.changed.wait()
            except TimeoutError:
                return True

    async def _settle(self, started: HistoryEvent, *, replayed: bool) -> None:
        while self.machines.jobs or self.locals.jobs:
            if self.machines.jobs:
                jobs, self.machines.jobs = sorted(self.machines.jobs, key=_place), []
                await self._activate(jobs, started, stamp_of(started), replayed=replayed)
            else:
                resolved, self.locals.jobs = self.locals.jobs, []
                at = stamp(max(when for when, _ in resolved))
                await self._activate([job for _, job in resolved], started, at, replayed=replayed)

    async def _activate(
        self, jobs: Sequence[WorkflowActivationJob], started: HistoryEvent, at: Timestamp, *, replayed: bool
    ) -> None:
        body = started.workflow_task_started_event_attributes
        activation = WorkflowActivation(
            run_id=self.run_id,
            timestamp=at,
            is_replaying=replayed,
            history_length=started.event_id,
            jobs=jobs,
            available_internal_flags=self._flags,
            history_size_bytes=body.history_size_bytes,
            continue_as_new_suggested=body.suggest_continue_as_new,
        )
        completion = await self.core.activate(activation)
        if completion.HasField("failed"):
            raise TaskFailedError(completion.failed.failure)
        self._used += [flag for flag in completion.successful.used_internal_flags if flag not in self._flags]
        self._flags += [flag for flag in self._used if flag not in self._flags]
        for command in completion.successful.commands:
            self._decide(command)

    def _decide(self, command: Any) -> None:
        if command.HasField("schedule_local_activity"):
            self.locals.schedule(command.schedule_local_activity)
        elif command.HasField("request_cancel_local_activity"):
            self.locals.cancel(command.request_cancel_local_activity.seq)
        elif command.HasField("respond_to_query"):
            self._answers[command.respond_to_query.query_id] = command.respond_to_query
        else:
            self.machines.decide(command)

    def _metadata(self) -> WorkflowTaskCompletedMetadata:
        used, self._used = self._used, []
        return WorkflowTaskCompletedMetadata(lang_used_flags=used)


def stamp_of(event: HistoryEvent) -> Timestamp:
    """Return the time of an event."""
    time: Timestamp = event.event_time
    return time


def _chunks(events: Sequence[HistoryEvent], begin: int) -> Iterator[Chunk]:
    """Yield the events of each task that was completed, and those of the one that is under way."""
    for index in range(begin, len(events)):
        if events[index].event_type != _STARTED:
            continue
        last = index == len(events) - 1
        if not last and events[index + 1].event_type != _COMPLETED:
            continue
        yield Chunk(events[begin : index + 1], not last, Foreseen() if last else _foresee(events, index + 1))
        begin = index + 1


def _foresee(events: Sequence[HistoryEvent], completed: int) -> Foreseen:
    """Return what the history says of the commands of the task that was completed there."""
    foreseen = Foreseen()
    foreseen.flags += events[completed].workflow_task_completed_event_attributes.sdk_metadata.lang_used_flags
    done_id = events[completed].event_id
    for event in events[completed + 1 :]:
        if event.event_type == _STARTED:
            break
        if event.event_type == _MARKER and event.marker_recorded_event_attributes.workflow_task_completed_event_id == done_id:
            _foresee_marker(foreseen, event.marker_recorded_event_attributes)
        elif event.event_type == _UPDATED:
            foreseen.updates.append(event)
    return foreseen


def _foresee_marker(foreseen: Foreseen, body: Any) -> None:
    if body.marker_name == "core_patch":
        foreseen.patches.append(json.loads(body.details["patch-data"].payloads[0].data)["id"])
    elif body.marker_name == "core_local_activity":
        data = json.loads(body.details["data"].payloads[0].data)
        foreseen.locals[data["seq"]] = data, body


def _patch(patch: str) -> WorkflowActivationJob:
    return WorkflowActivationJob(notify_has_patch=NotifyHasPatch(patch_id=patch))


def _updates(task: WorkflowTask) -> list[WorkflowActivationJob]:
    """Return the jobs for updates that no worker has been sent."""
    jobs = []
    for update in task.run.updates.values():
        if not update.sent:
            update.sent = True
            jobs.append(_do_update(update.id, update.request, validate=True))
    return jobs


def _update(event: HistoryEvent, *, validate: bool) -> WorkflowActivationJob:
    body = event.workflow_execution_update_accepted_event_attributes
    return _do_update(body.protocol_instance_id, body.accepted_request, validate=validate)


def _do_update(update_id: str, request: Any, *, validate: bool) -> WorkflowActivationJob:
    asked = request.input
    update = DoUpdate(id=update_id, protocol_instance_id=update_id, name=asked.name, input=asked.args.payloads)
    update.meta.CopyFrom(request.meta)
    update.run_validator = validate
    return WorkflowActivationJob(do_update=update)


def _place(job: WorkflowActivationJob) -> int:
    kind = job.WhichOneof("variant") or ""
    return _ORDER.index(kind) if kind in _ORDER[:3] else 3 if kind in _ORDER else 4

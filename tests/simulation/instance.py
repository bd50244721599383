"""One workflow run without a server: jobs go in, commands are returned, and what went in can be replayed for another run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import (
    InitializeWorkflow,
    NotifyHasPatch,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.common import MetricMeter, Priority, TypedSearchAttributes
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DefaultFailureConverter
from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker._workflow_instance import WorkflowInstance, WorkflowInstanceDetails

CONVERTER = pydantic_data_converter.payload_converter
EVENTS = 3
"""Fewest events that a workflow task adds to a history."""
START = datetime(2030, 1, 1, tzinfo=UTC)


class TaskFailedError(Exception):
    """A workflow task failed: the run is wedged."""


@dataclass(slots=True)
class Given:
    """The input of one activation, and the workflow's answer."""

    jobs: Sequence[WorkflowActivationJob]
    answered: tuple[str, ...]
    flags: tuple[int, ...]
    """Flags that the SDK notes in the history, to do the same when it is replayed."""
    patches: tuple[str, ...]
    """The patches whose markers it left in the history, of which a replay is told first."""
    goes_on: bool
    """True if it is the end of the task before, which had waited for a local activity."""
    events: int
    """The number of events that the history had when the task began."""


@dataclass(slots=True)
class Instance:
    """A workflow class at work under one run id."""

    kind: type
    workflow_id: str
    run_id: str
    argument: Any
    original: str = ""
    """The run that this one was reset from, over however many resets; itself where none."""
    history: list[Given] = field(default_factory=list)
    failures: int = 0
    """Tasks that ended without a word, as the worker died, or the run was reset."""
    beats: bool = False
    """True if the server was told that the task goes on, so that a new one begins with its local activity."""
    _made: WorkflowInstance = field(init=False)

    def __post_init__(self) -> None:
        self.original = self.original or self.run_id
        self._made = _create(self.kind, self.workflow_id, self.run_id, self.original)

    def first_job(self) -> WorkflowActivationJob:
        """Return the job that begins the run."""
        init = InitializeWorkflow(workflow_type=_definition(self.kind).name or "", workflow_id=self.workflow_id, attempt=1)
        init.arguments.append(CONVERTER.to_payload(self.argument))
        init.start_time.FromDatetime(START)
        return WorkflowActivationJob(initialize_workflow=init)

    def activate(self, jobs: Sequence[WorkflowActivationJob], noted: Given | None = None) -> list[WorkflowCommand]:
        """Carry out a task, or replay one that is `noted`.

        Raises:
            TaskFailedError: the workflow's code failed.

        """
        goes_on = any(job.resolve_activity.is_local for job in jobs)
        events = noted.events if noted else self._events(goes_on=goes_on)
        activation = WorkflowActivation(run_id=self.run_id, is_replaying=noted is not None, history_length=events)
        activation.jobs.extend(_notified(noted.patches if noted else ()))
        activation.jobs.extend(jobs)
        activation.available_internal_flags.extend(noted.flags if noted else ())
        activation.timestamp.FromDatetime(START + timedelta(seconds=len(self.history)))
        done = self._made.activate(activation)
        if done.HasField("failed"):
            raise TaskFailedError(done.failed.failure.message)
        commands = list(done.successful.commands)
        flags = noted.flags if noted else tuple(done.successful.used_internal_flags)
        self.history.append(Given(jobs, tuple(map(_named, commands)), flags, _patches(commands), goes_on, events))
        return commands

    def _events(self, *, goes_on: bool) -> int:
        if goes_on:
            return self.history[-1].events + EVENTS * self._beat()
        return EVENTS * (1 + self.failures + sum(not given.goes_on for given in self.history))

    def _beat(self) -> bool:
        beats, self.beats = self.beats, False
        return beats

    def replayed(self, run_id: str, length: int) -> tuple[Instance, list[WorkflowCommand]]:
        """Return the run that a reset makes of the first `length` tasks, and the commands that these gave.

        Raises:
            TaskFailedError: it decides otherwise than before.

        """
        again = Instance(self.kind, self.workflow_id, run_id, self.argument, self.original, failures=self.failures + 1)
        commands: list[WorkflowCommand] = []
        for given in self.history[:length]:
            commands += again.activate(given.jobs, given)
            if again.history[-1].answered != given.answered:
                raise TaskFailedError(f"a reset decides otherwise: {again.history[-1].answered}, it was {given.answered}")
        return again, commands


def _notified(patches: Sequence[str]) -> Iterator[WorkflowActivationJob]:
    for patch in patches:
        yield WorkflowActivationJob(notify_has_patch=NotifyHasPatch(patch_id=patch))


def _patches(commands: Sequence[WorkflowCommand]) -> tuple[str, ...]:
    return tuple(command.set_patch_marker.patch_id for command in commands if command.HasField("set_patch_marker"))


def _named(command: WorkflowCommand) -> str:
    kind = command.WhichOneof("variant") or ""
    return f"{kind} {command.schedule_activity.activity_type}" if kind == "schedule_activity" else kind


def _definition(kind: type) -> workflow._Definition:
    return workflow._Definition.must_from_class(kind)


def _create(kind: type, workflow_id: str, run_id: str, original: str) -> WorkflowInstance:
    info = workflow.Info(
        attempt=1,
        continued_run_id=None,
        cron_schedule=None,
        execution_timeout=None,
        first_execution_run_id=run_id,
        headers={},
        namespace="simulation",
        original_execution_run_id=original,
        parent=None,
        root=None,
        raw_memo={},
        retry_policy=None,
        run_id=run_id,
        run_timeout=None,
        search_attributes={},
        start_time=START,
        workflow_start_time=START,
        task_queue="simulation",
        task_timeout=timedelta(seconds=10),
        typed_search_attributes=TypedSearchAttributes.empty,
        workflow_id=workflow_id,
        workflow_type=_definition(kind).name or "",
        priority=Priority.default,
    )
    details = WorkflowInstanceDetails(
        payload_converter_factory=lambda: CONVERTER,
        failure_converter_class=DefaultFailureConverter,
        interceptor_classes=[],
        defn=_definition(kind),
        info=info,
        randomness_seed=0,
        extern_functions={
            "__temporal_get_metric_meter": lambda: MetricMeter.noop,
            "__temporal_assert_local_activity_valid": lambda _: None,
        },
        disable_eager_activity_execution=True,
        worker_level_failure_exception_types=[],
        patch_activation_callback=None,
        last_completion_result=None,  # type: ignore[arg-type] # nothing reads it
        last_failure=None,
    )
    # NB: the SDK makes an instance within a running loop and restores that one; here there is none.
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(_LOOP)
    try:
        return UnsandboxedWorkflowRunner().create_instance(details)
    finally:
        asyncio._set_running_loop(before)


_LOOP = asyncio.new_event_loop()

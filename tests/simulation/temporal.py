"""Runs and their steps, as Temporal keeps them: one open run a workflow id, activities that wait, jobs that are delivered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.activity_result import ActivityResolution, Cancellation, Success
from temporalio.bridge.proto.activity_result import Failure as FailedActivity
from temporalio.bridge.proto.workflow_activation import ResolveActivity, WorkflowActivationJob

from mooring.errors import MooringError
from tests.simulation.instance import CONVERTER, Instance


class Status(StrEnum):
    """The status of a run."""

    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"


@dataclass(slots=True)
class Step:
    """An activity that a run waits for."""

    seq: int
    name: str
    argument: Payload
    local: bool
    bounded: bool
    attempt: int = 1
    cancelled: bool = False
    again: bool = False
    """True if the run was reset to where it waits for this, and so must ask again whatever has become of the volume."""


@dataclass(slots=True, eq=False)
class Run:
    """A run: its instance, what it waits for, and how it ended."""

    instance: Instance
    node: str
    steps: dict[int, Step] = field(default_factory=dict)
    timers: list[int] = field(default_factory=list)
    jobs: list[WorkflowActivationJob] = field(default_factory=list)
    status: Status = Status.OPEN
    cancel_requested: bool = False
    memo: Payload | None = None
    result: Payload | None = None
    failure: Failure | None = None
    successor: Run | None = None
    saw_rival: bool = False
    """True if another node held the volume at some time while this run was open."""
    child_started: bool = False
    found_held: bool = False
    """True if its node held the volume by another operation at some time while it was open."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.instance.run_id

    @property
    def open(self) -> bool:
        """True if it has not ended."""
        return self.status is Status.OPEN

    @property
    def told(self) -> bool:
        """True if it has reported its end to its caller."""
        return self.status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)

    def heirs(self) -> Iterator[Run]:
        """Yield this run and those that it was reset to."""
        run: Run | None = self
        while run is not None:
            yield run
            run = run.successor

    def answer(self, step: Step, resolution: ActivityResolution) -> None:
        """Have the run learn what became of a step."""
        del self.steps[step.seq]
        resolved = ResolveActivity(seq=step.seq, result=resolution, is_local=step.local)
        self.jobs.append(WorkflowActivationJob(resolve_activity=resolved))

    def succeed(self, step: Step, result: Any) -> None:
        """Answer with what an activity returned."""
        self.answer(step, ActivityResolution(completed=Success(result=CONVERTER.to_payload(result))))

    def refuse(self, step: Step, error: MooringError) -> None:
        """Answer with an error that no retry would change."""
        failure = Failure(message=str(error))
        failure.application_failure_info.type = error.type_name()
        failure.application_failure_info.non_retryable = True
        failure.application_failure_info.details.payloads.append(CONVERTER.to_payload(step.attempt))
        self.answer(step, ActivityResolution(failed=FailedActivity(failure=_of(step, failure))))

    def time_out(self, step: Step) -> None:
        """Answer that the step's budget has run out."""
        failure = Failure(message="activity ScheduleToClose timeout")
        failure.timeout_failure_info.timeout_type = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
        self.answer(step, ActivityResolution(failed=FailedActivity(failure=_of(step, failure))))

    def cancel_step(self, step: Step) -> None:
        """Answer that the step was cancelled."""
        failure = Failure(message="cancelled")
        failure.canceled_failure_info.SetInParent()
        self.answer(step, ActivityResolution(cancelled=Cancellation(failure=_of(step, failure))))


def _of(step: Step, cause: Failure) -> Failure:
    if step.local and cause.HasField("application_failure_info"):
        return cause  # NB: the SDK doesn't wrap what a local activity raised
    failure = Failure(message="activity failed", cause=cause)
    failure.activity_failure_info.activity_type.name = step.name
    failure.activity_failure_info.activity_id = str(step.seq)
    return failure

"""Temporal as the workflows meet it: tasks, steps, holds, signals and resets, beside the cluster and the reports to callers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.child_workflow import StartChildWorkflowExecutionFailedCause
from temporalio.bridge.proto.workflow_activation import (
    CancelWorkflow,
    FireTimer,
    ResolveChildWorkflowExecutionStart,
    ResolveChildWorkflowExecutionStartSuccess,
    ResolveSignalExternalWorkflow,
    SignalWorkflow,
    UpdateRandomSeed,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import WorkflowCommand

from mooring.models import Attachment, PersistInput, Write
from mooring.names import ATTACHMENT_MEMO, unpersisted_id
from tests.simulation import judge
from tests.simulation.cluster import VOLUME, Cluster
from tests.simulation.instance import CONVERTER, Instance, TaskFailedError
from tests.simulation.steps import WRITES, carry_out, leave, leave_behind
from tests.simulation.temporal import Run, Status, Step
from workflows.persist import PersistAttachment

EXISTS: Final = StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS
FIRST: Final = {"initialize_workflow": 0, "update_random_seed": 1, "signal_workflow": 2}
"""The jobs that the server puts first in a task."""


class Violation(AssertionError):
    """Something that must never be."""


@dataclass(slots=True)
class Server:
    """Everything there is, and what it does when it is asked to. With `faults` off everything succeeds at once."""

    seed: int
    faults: bool = True
    cluster: Cluster = field(default_factory=Cluster)
    runs: list[Run] = field(default_factory=list)
    strays: list[tuple[Run, Write]] = field(default_factory=list)
    granted: set[str] = field(default_factory=set)
    """The nodes that were told to have the volume, and that nobody asked to take it from since."""
    gone: set[str] = field(default_factory=set)
    """The nodes that were told to be rid of it, and that nobody published it to since."""
    loose: set[str] = field(default_factory=set)
    """The nodes that a run which was cut off may have left attached at the driver; the next unpublish of them clears that."""
    story: list[str] = field(default_factory=list)
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311

    def happens(self, chance: float) -> bool:
        """Return whether a fault of this chance happens."""
        return self.faults and self.dice.random() < chance

    def run(self, run_id: str) -> Run | None:
        """Return a run by its id."""
        return next((run for run in self.runs if run.run_id == run_id), None)

    def volume_run(self) -> Run | None:
        """Return the operation that is open."""
        return next((run for run in self.runs if run.open and run.instance.kind is not PersistAttachment), None)

    def hold(self) -> Run | None:
        """Return what holds the volume until it has a PV."""
        return next((run for run in self.runs if run.open and run.instance.kind is PersistAttachment), None)

    def attachment(self, hold: Run) -> Attachment:
        """Return the attachment of a hold."""
        if hold.memo is None:
            raise LookupError("a hold has a memo")
        found: Attachment = CONVERTER.from_payload(hold.memo, Attachment)
        return found

    def cancel(self, run: Run) -> None:
        """Ask a run to end."""
        if run.open and not run.cancel_requested:
            run.cancel_requested = True
            run.jobs.append(WorkflowActivationJob(cancel_workflow=CancelWorkflow(reason="simulated")))

    def describe(self) -> str:
        """Return what there is, in a few words."""
        record, hold = self.cluster.read(), self.hold()
        told = f"epoch {record.epoch} of {record.operation} for {self.cluster.holders()}" if record else "no PV"
        waits = f", {hold.run_id} holds for {hold.node}" if hold else ""
        return f"{told}{waits}, attached to {self.cluster.attached}, {len(self.strays)} strays"

    def fail(self, what: str) -> Violation:
        """Return what is wrong, with the story."""
        told = "\n  ".join(self.story[-60:])
        return Violation(f"seed {self.seed}: {what}\n  {told}")

    def new_id(self) -> str:
        """Return the id of the next run."""
        return f"run-{len(self.runs) + 1}"

    def begin(self, run: Run) -> None:
        """Have a run begin."""
        run.jobs.append(run.instance.first_job())
        self.runs.append(run)
        judge.begun(self, run)

    def task(self, run: Run) -> None:
        """Carry out a task, its local activities included, during which no new job is delivered."""
        jobs, run.jobs = run.jobs, []
        jobs.sort(key=lambda job: FIRST.get(job.WhichOneof("variant") or "", len(FIRST)))
        before, given = len(run.instance.history), list(jobs)
        self._activate(run, jobs)
        while local := next((step for step in run.steps.values() if step.local), None):
            later, run.jobs = run.jobs, []
            if local.name in WRITES and self.happens(0.1):
                self._die(run, local, before, [*given, *later])
                return
            carry_out(self, run, local)
            jobs, run.jobs = run.jobs, later
            self._activate(run, jobs)

    def _die(self, run: Run, local: Step, before: int, jobs: list[WorkflowActivationJob]) -> None:
        """Have the worker die in a write that no history knows of, so that the task is given to another one."""
        self.story.append(f"the worker dies in {local.name} of {run.run_id}")
        leave(self, run, local)
        del run.steps[local.seq]
        run.instance, _ = run.instance.replayed(run.run_id, before)
        run.jobs = jobs
        if self.happens(0.3):
            self.cancel(run)

    def reset(self, old: Run) -> None:
        """Terminate a run, and have another one begin that knows what it knew up to some task."""
        if old.open:
            self.cut_off(old)
        kept = self.dice.choice([at for at, given in enumerate(old.instance.history) if not given.goes_on])
        given = old.instance.history[kept].jobs
        try:
            instance, commands = old.instance.replayed(self.new_id(), kept)
        except TaskFailedError as error:
            raise self.fail(f"the reset of {old.run_id} after {kept} tasks can't be replayed: {error}") from None
        new = Run(
            instance,
            old.node,
            jobs=[_reseeded(instance), *given],
            saw_rival=old.saw_rival,
            child_started=old.child_started,
        )
        before = [job for each in instance.history for job in each.jobs] + list(given)
        new.cancel_requested = any(job.HasField("cancel_workflow") for job in before)
        resolved = {job.resolve_activity.seq for job in before if job.HasField("resolve_activity")}
        for command in commands:
            if command.request_cancel_local_activity.seq not in resolved:  # NB: such a one is answered at once
                self._wait_for(new, command)
        for seq in resolved:
            new.steps.pop(seq, None)
        for step in new.steps.values():
            step.again = True
        old.successor = new
        self.runs.append(new)
        judge.begun(self, new)

    def cut_off(self, run: Run) -> None:
        """Terminate a run."""
        leave_behind(self, run)
        run.steps.clear()
        run.timers.clear()
        run.status = Status.TERMINATED

    def fire(self, run: Run, seq: int) -> None:
        """Let a timer run out."""
        run.timers.remove(seq)
        run.jobs.append(WorkflowActivationJob(fire_timer=FireTimer(seq=seq)))

    def land(self, run: Run, write: Write) -> None:
        """Have a write land that a run left hanging."""
        before, holders = len(self.cluster.records), self.cluster.holders()
        self.cluster.write(write)
        if len(self.cluster.records) > before:
            judge.landed(self, run, write, holders)

    def _activate(self, run: Run, jobs: list[WorkflowActivationJob]) -> None:
        try:
            commands = run.instance.activate(jobs)
        except TaskFailedError as error:
            raise self.fail(f"the workflow task of {run.run_id} fails for ever: {error}") from None
        for command in commands:
            self._obey(run, command)

    def _obey(self, run: Run, command: WorkflowCommand) -> None:
        match command.WhichOneof("variant"):
            case "start_child_workflow_execution":
                self._start_child(run, command)
            case "signal_external_workflow_execution":
                self._signal(run, command)
            case "modify_workflow_properties":
                run.memo = command.modify_workflow_properties.upserted_memo.fields[ATTACHMENT_MEMO]
            case "complete_workflow_execution":
                run.result = command.complete_workflow_execution.result
                self._end(run, Status.COMPLETED)
            case "fail_workflow_execution":
                run.failure = command.fail_workflow_execution.failure
                self._end(run, Status.FAILED)
            case "cancel_workflow_execution":
                self._end(run, Status.CANCELLED)
            case _:
                self._wait_for(run, command)

    def _wait_for(self, run: Run, command: WorkflowCommand) -> None:
        match command.WhichOneof("variant"):
            case "schedule_activity":
                asked = command.schedule_activity
                bounded = asked.HasField("schedule_to_close_timeout")
                run.steps[asked.seq] = Step(asked.seq, asked.activity_type, asked.arguments[0], local=False, bounded=bounded)
            case "schedule_local_activity":
                local = command.schedule_local_activity
                run.steps[local.seq] = Step(local.seq, local.activity_type, local.arguments[0], local=True, bounded=False)
            case "start_timer":
                run.timers.append(command.start_timer.seq)
            case _:
                self._give_up(run, command)

    def _give_up(self, run: Run, command: WorkflowCommand) -> None:
        match command.WhichOneof("variant"):
            case "request_cancel_activity":
                if step := run.steps.get(command.request_cancel_activity.seq):
                    step.cancelled = True
            case "request_cancel_local_activity":
                if step := run.steps.get(command.request_cancel_local_activity.seq):
                    run.cancel_step(step)
            case "cancel_timer":
                run.timers.remove(command.cancel_timer.seq)

    def _start_child(self, run: Run, command: WorkflowCommand) -> None:
        asked = command.start_child_workflow_execution
        resolved = ResolveChildWorkflowExecutionStart(seq=asked.seq)
        if self.hold() is not None:
            resolved.failed.workflow_id, resolved.failed.workflow_type = asked.workflow_id, asked.workflow_type
            resolved.failed.cause = EXISTS
        else:
            given = CONVERTER.from_payload(asked.input[0], PersistInput)
            child = Run(Instance(PersistAttachment, unpersisted_id(VOLUME), self.new_id(), given), given.attachment.node_id)
            child.memo = asked.memo[ATTACHMENT_MEMO]
            self.begin(child)
            resolved.succeeded.CopyFrom(ResolveChildWorkflowExecutionStartSuccess(run_id=child.run_id))
            run.child_started = True
        run.jobs.append(WorkflowActivationJob(resolve_child_workflow_execution_start=resolved))

    def _signal(self, run: Run, command: WorkflowCommand) -> None:
        asked = command.signal_external_workflow_execution
        target = self.run(asked.workflow_execution.run_id)
        resolved = ResolveSignalExternalWorkflow(seq=asked.seq)
        if target is not None and target.open:
            signal = SignalWorkflow(signal_name=asked.signal_name, input=asked.args, originating_event_id=1)
            target.jobs.append(WorkflowActivationJob(signal_workflow=signal))
        else:
            failure = Failure(message="Unable to signal external workflow because it was not found")
            failure.application_failure_info.SetInParent()
            resolved.failure.CopyFrom(failure)
        run.jobs.append(WorkflowActivationJob(resolve_signal_external_workflow=resolved))

    def _end(self, run: Run, status: Status) -> None:
        run.status = status
        run.steps.clear()
        run.timers.clear()
        self.story.append(f"{run.run_id} is {status}")
        judge.ended(self, run)


def _reseeded(instance: Instance) -> WorkflowActivationJob:
    """Return the job by which a server lets a run know that it was reset."""
    seed = UpdateRandomSeed(randomness_seed=int(instance.run_id.removeprefix("run-")))
    return WorkflowActivationJob(update_random_seed=seed)

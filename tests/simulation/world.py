"""One volume, its operations and everything that goes wrong, chosen by a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

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

from mooring.models import Attachment, PublishRequest, Unpersisted, UnpublishRequest, Write
from mooring.names import ATTACHMENT_MEMO, unpersisted_id, volume_id
from tests.simulation import judge
from tests.simulation.cluster import VOLUME, Cluster
from tests.simulation.instance import CONVERTER, Instance, TaskFailedError
from tests.simulation.steps import carry_out, is_ready, leave_behind
from tests.simulation.temporal import Run, Status, Step
from workflows.persist import PersistAttachment
from workflows.publish import PublishVolume
from workflows.unpublish import UnpublishVolume

EXISTS: Final = StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS
NODES = ("node-a", "node-b", "node-c")
MOST_MOVES = 4_000
FIRST: Final = {"initialize_workflow": 0, "update_random_seed": 1, "signal_workflow": 2}
"""The jobs that the server puts first in a task."""


class Move(NamedTuple):
    """Something that may happen next, and how likely beside the others."""

    weight: float
    what: str
    act: Callable[[], None]


class Violation(AssertionError):
    """Something that must never be."""


@dataclass(slots=True)
class World:
    """Everything there is. `left` operations are still to be started; with `faults` off everything succeeds at once."""

    seed: int
    left: int = 12
    faults: bool = True
    resets_of_closed: bool = False
    """Whether runs that have ended are reset, too. Not yet: an old publish attaches, and an old unpublish releases, behind the
    driver's back."""
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
        if self.happens(0.4):
            self.cluster.create()

    def happens(self, chance: float) -> bool:
        """Whether a fault of this chance comes about."""
        return self.faults and self.dice.random() < chance

    def play(self) -> None:
        """Carry out all operations, come to rest, and take the volume from everybody.

        Raises:
            Violation: something is wrong.

        """
        while self.left or self.volume_run() is not None:
            self._move()
        self.faults = False
        self._rest()
        for run, write in self.dice.sample(self.strays, len(self.strays)):
            self._land(run, write)
        self._rest()
        judge.at_rest(self)
        self._start(UnpublishVolume, "")
        self._rest()
        judge.empty(self)

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
        found: Attachment = CONVERTER.from_payload(hold.memo or self._no_memo(), Attachment)
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

    def _move(self) -> None:
        moves = self._moves()
        self._make(self.dice.choices(moves, [move.weight for move in moves])[0])
        if len(self.story) > MOST_MOVES:
            raise self.fail("it never ends")

    def _make(self, move: Move) -> None:
        self.story.append(move.what)
        move.act()
        judge.always(self)

    def _moves(self) -> list[Move]:
        strays = [
            Move(1.0, f"a stray write of {run.run_id} lands", partial(self._land_stray, run, write)) for run, write in self.strays
        ]
        run = self.volume_run()
        return [*self._progress(), *strays, *self._without_pv(), *(self._asked() if run is None else self._disturbances(run))]

    def _without_pv(self) -> list[Move]:
        """Return what may happen to a volume that has no PV."""
        chance = 0.3 if self.hold() else 0.03
        return [Move(chance, "the PV appears", self.cluster.create)] if self.cluster.pv is None else []

    def _asked(self) -> list[Move]:
        """Return what somebody may ask for while no operation is open."""
        if not self.left:
            return []
        node, kind = self.dice.choice(NODES), self.dice.choice([PublishVolume, PublishVolume, UnpublishVolume])
        moves = [Move(2.0, f"{kind.__name__} {node}", partial(self._start, kind, node))]
        closed = [run for run in self.runs if self.resets_of_closed and _may_be_reset(run)]
        if closed:
            old = self.dice.choice(closed[-3:])
            moves.append(Move(0.3, f"reset {old.run_id}", partial(self._reset, old)))
        return moves

    def _disturbances(self, run: Run) -> list[Move]:
        moves = [] if run.cancel_requested else [Move(0.15, f"cancel {run.run_id}", partial(self.cancel, run))]
        if run.instance.history:
            moves.append(Move(0.05, f"terminate {run.run_id}", partial(self._cut_off, run)))
            moves += [Move(0.05, f"reset {run.run_id}", partial(self._reset, run))] if _may_be_reset(run) else []
        return moves

    def _progress(self) -> list[Move]:
        """Return what happens by itself."""
        return [move for run in self.runs if run.open for move in self._progress_of(run)]

    def _progress_of(self, run: Run) -> Iterator[Move]:
        if run.jobs:
            yield Move(3.0, f"task of {run.run_id}", partial(self._task, run))
        for step in run.steps.values():
            if is_ready(self, step):
                yield Move(2.0, f"{run.run_id} {step.name} #{step.attempt}", partial(carry_out, self, run, step))
        for seq in run.timers:
            yield Move(0.5, f"timer of {run.run_id}", partial(self._fire, run, seq))

    def _rest(self) -> None:
        """Go on without faults until nothing moves by itself; a timer of a hold that meets another holder always does."""
        for _ in range(MOST_MOVES):
            moves = [move for move in self._progress() if not move.what.startswith("timer")]
            if not moves:
                return
            self._make(self.dice.choice(moves))
        raise self.fail("it never comes to rest")

    def _start(self, kind: type, node: str) -> None:
        model: Any = PublishRequest if kind is PublishVolume else UnpublishRequest
        self.left = max(0, self.left - 1)
        request = model(driver=VOLUME.driver, volume_handle=VOLUME.volume_handle, node_id=node)
        self._open(Run(Instance(kind, volume_id(VOLUME), self._new_id(), request), node))

    def _new_id(self) -> str:
        return f"run-{len(self.runs) + 1}"

    def _open(self, run: Run) -> None:
        run.jobs.append(run.instance.first_job())
        self.runs.append(run)
        judge.begun(self, run)

    def _task(self, run: Run) -> None:
        """Carry out a task, its local activities included, during which nothing new comes in."""
        jobs, run.jobs = run.jobs, []
        jobs.sort(key=lambda job: FIRST.get(job.WhichOneof("variant") or "", len(FIRST)))
        self._activate(run, jobs)
        while local := next((step for step in run.steps.values() if step.local), None):
            later, run.jobs = run.jobs, []
            carry_out(self, run, local)
            jobs, run.jobs = run.jobs, later
            self._activate(run, jobs)

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
            given = CONVERTER.from_payload(asked.input[0], Unpersisted)
            child = Run(Instance(PersistAttachment, unpersisted_id(VOLUME), self._new_id(), given), given.attachment.node_id)
            child.memo = asked.memo[ATTACHMENT_MEMO]
            self._open(child)
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

    def _cut_off(self, run: Run) -> None:
        leave_behind(self, run)
        run.steps.clear()
        run.timers.clear()
        run.status = Status.TERMINATED

    def _fire(self, run: Run, seq: int) -> None:
        run.timers.remove(seq)
        run.jobs.append(WorkflowActivationJob(fire_timer=FireTimer(seq=seq)))

    def _land_stray(self, run: Run, write: Write) -> None:
        self.strays.remove((run, write))
        self._land(run, write)

    def _land(self, run: Run, write: Write) -> None:
        before, holders = len(self.cluster.records), self.cluster.holders()
        self.cluster.write(write)
        if len(self.cluster.records) > before:
            judge.landed(self, run, write, holders)

    def _reset(self, old: Run) -> None:
        if old.open:
            self._cut_off(old)
        kept = self.dice.choice([at for at, given in enumerate(old.instance.history) if not given.goes_on])
        given = old.instance.history[kept].jobs
        try:
            instance, commands = old.instance.replayed(self._new_id(), kept)
        except TaskFailedError as error:
            raise self.fail(f"the reset of {old.run_id} after {kept} tasks can't be replayed: {error}") from None
        new = Run(
            instance,
            old.node,
            jobs=[_reseeded(instance), *given],
            saw_rival=old.saw_rival,
            child_started=old.child_started,
            is_reset=True,
        )
        before = [job for each in instance.history for job in each.jobs] + list(given)
        new.cancel_requested = any(job.HasField("cancel_workflow") for job in before)
        for command in commands:
            self._wait_for(new, command)
        for seq in (job.resolve_activity.seq for job in before if job.HasField("resolve_activity")):
            new.steps.pop(seq, None)
        old.successor = new
        self.runs.append(new)
        self.left = max(0, self.left - 1)
        judge.begun(self, new)

    @staticmethod
    def _no_memo() -> Any:
        raise LookupError("a hold has a memo")


def _reseeded(instance: Instance) -> WorkflowActivationJob:
    """Return the job by which a server lets a run know that it was reset."""
    seed = UpdateRandomSeed(randomness_seed=int(instance.run_id.removeprefix("run-")))
    return WorkflowActivationJob(update_random_seed=seed)


def _may_be_reset(run: Run) -> bool:
    """Whether stories reset this run.

    Not yet those of a publish that began a hold: its new self takes that for its own, and drops what may have been told a success.
    """
    return run.instance.kind is not PersistAttachment and bool(run.instance.history) and not run.child_started

"""The machines of one run: events become jobs for its code, and the code's commands what the server takes.

Invariant: each command becomes one event, in order; where the history has another one, the run can't go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import (
    CancelWorkflow,
    FireTimer,
    SignalWorkflow,
    UpdateRandomSeed,
    WorkflowActivationJob,
)

from tests.simulation.temporal_core import commands, jobs, resolutions
from tests.simulation.temporal_core.jobs import seed_of
from tests.simulation.temporal_core.states import ActivityState, ChildState, NondeterminismError, Outgoing
from tests.simulation.temporal_server.history import FIELDS, kind_of
from tests.simulation.temporal_server.updates import UpdateAnswer

_RESET: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
LOCAL: Final = "LOCAL"
"""The kind of a local activity's marker, whose place in the history says nothing."""
TRY_CANCEL: Final = 0
WAIT: Final = 1
ABANDON: Final = 2


class Machines:
    """The machines; `jobs` gather until they are taken."""

    def __init__(self, workflow_id: str, namespace: str, queue: str) -> None:
        self.workflow_id = workflow_id
        self.namespace = namespace
        self.queue = queue
        self.jobs: list[WorkflowActivationJob] = []
        self.outgoing: list[Outgoing] = []
        """Commands of the task that is under way."""
        self.awaited: deque[Outgoing] = deque()
        """Commands whose events haven't been seen."""
        self.started: Any = None
        self.patches: list[str] = []
        self.activities: dict[int, ActivityState] = {}
        self.scheduled: dict[int, ActivityState] = {}
        self.timers: dict[int, int] = {}
        """The numbers of timers by the events that started them."""
        self.children: dict[int, ChildState] = {}
        self.initiated: dict[int, ChildState] = {}
        self.external: dict[int, int] = {}
        """The numbers of signals and cancellations by the events that asked for them."""
        self.updates: dict[str, UpdateAnswer] = {}
        """Answers to updates, by the messages that carry them."""
        self.ended = False
        self.accepted: set[str] = set()

    # Events

    def apply(self, event: HistoryEvent) -> None:
        """Take in an event.

        Raises:
            NondeterminismError: the code has decided otherwise.

        """
        kind = kind_of(event)
        body = getattr(event, FIELDS[kind])
        if kind in _DECIDED:
            self._decided(kind, event, body)
        elif kind in _HAPPENED:
            _HAPPENED[kind](self, event, body)
        elif kind in resolutions.RESOLVE:
            resolutions.RESOLVE[kind](self, body)

    def _decided(self, kind: str, event: HistoryEvent, body: Any) -> None:
        """Match an event with the command that it comes of."""
        if kind == "MARKER_RECORDED" and body.marker_name == "core_local_activity":
            return
        expected = self.awaited.popleft() if self.awaited else None
        name = _DECIDED[kind](body)
        if expected is None or (expected.kind, expected.name) != (kind, name):
            was = f"{expected.kind} {expected.name}" if expected else "nothing"
            raise NondeterminismError(f"The history has {kind} {name} (event {event.event_id}), and the code decides on {was}.")
        match expected.state:
            case ActivityState() as activity if kind == "ACTIVITY_TASK_SCHEDULED":
                activity.scheduled_id = event.event_id
                self.scheduled[event.event_id] = activity
            case ChildState() as child if kind == "START_CHILD_WORKFLOW_EXECUTION_INITIATED":
                child.initiated_id = event.event_id
                self.initiated[event.event_id] = child
            case int() as seq if kind == "TIMER_STARTED":
                self.timers[event.event_id] = seq
            case int() as seq:
                self.external[event.event_id] = seq

    def _start(self, event: HistoryEvent, body: Any) -> None:
        self.started = body
        self.jobs.append(jobs.initialize(event, self.workflow_id))

    def _signalled(self, event: HistoryEvent, body: Any) -> None:
        signal = SignalWorkflow(
            signal_name=body.signal_name, input=body.input.payloads, identity=body.identity, headers=body.header.fields
        )
        signal.originating_event_id = event.event_id
        self.jobs.append(WorkflowActivationJob(signal_workflow=signal))

    def _cancel_requested(self, _: HistoryEvent, body: Any) -> None:
        self.jobs.append(WorkflowActivationJob(cancel_workflow=CancelWorkflow(reason=body.cause)))

    def _task_failed(self, _: HistoryEvent, body: Any) -> None:
        if body.cause == _RESET:
            seed = seed_of(body.new_run_id)
            self.jobs.append(WorkflowActivationJob(update_random_seed=UpdateRandomSeed(randomness_seed=seed)))

    def _fired(self, _: HistoryEvent, body: Any) -> None:
        seq = self.timers.pop(body.started_event_id, None)
        if seq is not None:
            self.jobs.append(WorkflowActivationJob(fire_timer=FireTimer(seq=seq)))

    # Commands

    def decide(self, command: Any) -> None:
        """Take in a command of the code."""
        kind = command.WhichOneof("variant")
        _DECIDE[kind](self, command, getattr(command, kind))

    def send(self) -> list[Command]:
        """Return the task's commands, whose events are awaited from now on."""
        sent, self.outgoing = self.outgoing, []
        self.awaited.extend(each for each in sent if each.kind != LOCAL)
        return [each.command for each in sent if each.command is not None]

    def _put(self, kind: str, name: str, command: Command | None, state: Any = None) -> None:
        self.outgoing.append(Outgoing(kind, name, command, state))

    def _withdraw(self, state: Any) -> bool:
        """Drop the command for something that is cancelled before the server has been asked for it."""
        for each in self.outgoing:
            if each.state is state and each.kind not in ("TIMER_CANCELED", "ACTIVITY_TASK_CANCEL_REQUESTED"):
                self.outgoing.remove(each)
                return True
        return False

    def _schedule_activity(self, command: Any, asked: Any) -> None:
        state = ActivityState(asked.seq, asked.activity_id, asked.activity_type, asked.cancellation_type)
        self.activities[asked.seq] = state
        made = commands.schedule_activity(command, self.queue)
        self._put("ACTIVITY_TASK_SCHEDULED", f"{asked.activity_id} {asked.activity_type}", made, state)

    def _cancel_activity(self, _: Any, asked: Any) -> None:
        state = self.activities.get(asked.seq)
        if state is None:
            return
        if self._withdraw(state) or state.cancellation == ABANDON:
            self._give_up(state)
            return
        made = commands.cancel_activity(state.scheduled_id)
        self._put("ACTIVITY_TASK_CANCEL_REQUESTED", str(state.scheduled_id), made, state)
        if state.cancellation == TRY_CANCEL:
            self._give_up(state)

    def _give_up(self, state: ActivityState) -> None:
        del self.activities[state.seq]
        self.scheduled.pop(state.scheduled_id, None)
        self.jobs.append(jobs.activity_cancelled(state.seq, jobs.cancelled(state, scheduled_event_id=state.scheduled_id)))

    def _start_timer(self, command: Any, asked: Any) -> None:
        self._put("TIMER_STARTED", str(asked.seq), commands.start_timer(command), asked.seq)

    def _cancel_timer(self, _: Any, asked: Any) -> None:
        for each in self.outgoing:
            if each.kind == "TIMER_STARTED" and each.state == asked.seq:
                self.outgoing.remove(each)
                return
        self.timers = {event: seq for event, seq in self.timers.items() if seq != asked.seq}
        self._put("TIMER_CANCELED", str(asked.seq), commands.cancel_timer(asked.seq))

    def _start_child(self, command: Any, asked: Any) -> None:
        state = ChildState(asked.seq, asked.workflow_id, asked.workflow_type, asked.cancellation_type)
        self.children[asked.seq] = state
        made = commands.start_child(command, self.namespace, self.queue)
        self._put("START_CHILD_WORKFLOW_EXECUTION_INITIATED", asked.workflow_id, made, state)

    def _cancel_child(self, _: Any, asked: Any) -> None:
        state = self.children.get(asked.child_workflow_seq)
        if state is None:
            return
        if self._withdraw(state):
            del self.children[state.seq]
            self.jobs.append(resolutions.child_never_began(state))
            return
        if state.cancellation != resolutions.CHILD_ABANDON:
            made = commands.cancel_external(state.workflow_id, state.run_id, asked.reason, self.namespace, child=True)
            self._put("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED", state.workflow_id, made)
        if state.cancellation in (resolutions.CHILD_ABANDON, resolutions.CHILD_TRY_CANCEL):
            del self.children[state.seq]
            self.initiated.pop(state.initiated_id, None)
            self.jobs.append(resolutions.child_given_up(state))

    def _signal_external(self, command: Any, asked: Any) -> None:
        made = commands.signal_external(command, self.namespace)
        execution = made.signal_external_workflow_execution_command_attributes.execution
        self._put("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED", execution.workflow_id, made, asked.seq)

    def _cancel_external(self, _: Any, asked: Any) -> None:
        other = asked.workflow_execution
        made = commands.cancel_external(other.workflow_id, other.run_id, asked.reason, self.namespace, child=False)
        self._put("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED", other.workflow_id, made, asked.seq)

    def _mark_patch(self, _: Any, asked: Any) -> None:
        if asked.patch_id in self.patches:
            return
        marker, attributes = commands.mark_patch(asked.patch_id, self.patches, deprecated=asked.deprecated)
        self.patches.append(asked.patch_id)
        self._put("MARKER_RECORDED", "core_patch", marker)
        self._put("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", "TemporalChangeVersion", attributes)

    def _upsert(self, _: Any, asked: Any) -> None:
        names = " ".join(sorted(asked.search_attributes.indexed_fields))
        self._put("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", names, commands.upsert(asked.search_attributes))

    def _modify(self, command: Any, _: Any) -> None:
        self._put("WORKFLOW_PROPERTIES_MODIFIED", "", commands.modify(command))

    def _complete(self, command: Any, _: Any) -> None:
        self._end("WORKFLOW_EXECUTION_COMPLETED", commands.complete(command))

    def _fail(self, command: Any, _: Any) -> None:
        self._end("WORKFLOW_EXECUTION_FAILED", commands.fail(command))

    def _cancel(self, command: Any, _: Any) -> None:
        self._end("WORKFLOW_EXECUTION_CANCELED", commands.cancel(command))

    def _continue(self, command: Any, _: Any) -> None:
        made = commands.continue_as_new(command, self.started.workflow_type.name, self.queue, self.started)
        self._end("WORKFLOW_EXECUTION_CONTINUED_AS_NEW", made)

    def _end(self, kind: str, command: Command) -> None:
        if not self.ended:
            self.ended = True
            self._put(kind, "", command)

    def _answer_update(self, _: Any, asked: Any) -> None:
        update_id, kind = asked.protocol_instance_id, asked.WhichOneof("response")
        if kind == "accepted":
            self.accepted.add(update_id)
            self._answer("ACCEPTED", UpdateAnswer(update_id, accepted=True))
        elif kind == "completed":
            self._answer("COMPLETED", UpdateAnswer(update_id, completed=asked.completed))
        elif update_id in self.accepted:
            self._answer("COMPLETED", UpdateAnswer(update_id, failed=asked.rejected))
        else:
            self.updates[f"{len(self.updates)}"] = UpdateAnswer(update_id, rejected=asked.rejected)

    def _answer(self, kind: str, answer: UpdateAnswer) -> None:
        message = f"{len(self.updates)}"
        self.updates[message] = answer
        self._put(f"WORKFLOW_EXECUTION_UPDATE_{kind}", answer.id, commands.send_message(message))


_DECIDED: Final[dict[str, Callable[[Any], str]]] = {
    "ACTIVITY_TASK_SCHEDULED": lambda body: f"{body.activity_id} {body.activity_type.name}",
    "ACTIVITY_TASK_CANCEL_REQUESTED": lambda body: str(body.scheduled_event_id),
    "TIMER_STARTED": lambda body: str(body.timer_id),
    "TIMER_CANCELED": lambda body: str(body.timer_id),
    "MARKER_RECORDED": lambda body: str(body.marker_name),
    "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES": lambda body: " ".join(sorted(body.search_attributes.indexed_fields)),
    "WORKFLOW_PROPERTIES_MODIFIED": lambda _: "",
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED": lambda body: str(body.workflow_id),
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED": lambda body: str(body.workflow_execution.workflow_id),
    "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED": lambda body: str(body.workflow_execution.workflow_id),
    "WORKFLOW_EXECUTION_UPDATE_ACCEPTED": lambda body: str(body.protocol_instance_id),
    "WORKFLOW_EXECUTION_UPDATE_COMPLETED": lambda body: str(body.meta.update_id),
}
"""Events that come of commands, and what tells one of a kind from another."""

_HAPPENED: Final[dict[str, Callable[[Machines, HistoryEvent, Any], None]]] = {
    "WORKFLOW_EXECUTION_STARTED": Machines._start,
    "WORKFLOW_EXECUTION_SIGNALED": Machines._signalled,
    "WORKFLOW_EXECUTION_CANCEL_REQUESTED": Machines._cancel_requested,
    "WORKFLOW_TASK_FAILED": Machines._task_failed,
    "TIMER_FIRED": Machines._fired,
}

_DECIDE: Final[dict[str, Callable[[Machines, Any, Any], None]]] = {
    "schedule_activity": Machines._schedule_activity,
    "request_cancel_activity": Machines._cancel_activity,
    "start_timer": Machines._start_timer,
    "cancel_timer": Machines._cancel_timer,
    "start_child_workflow_execution": Machines._start_child,
    "cancel_child_workflow_execution": Machines._cancel_child,
    "signal_external_workflow_execution": Machines._signal_external,
    "request_cancel_external_workflow_execution": Machines._cancel_external,
    "set_patch_marker": Machines._mark_patch,
    "upsert_workflow_search_attributes": Machines._upsert,
    "modify_workflow_properties": Machines._modify,
    "complete_workflow_execution": Machines._complete,
    "fail_workflow_execution": Machines._fail,
    "cancel_workflow_execution": Machines._cancel,
    "continue_as_new_workflow_execution": Machines._continue,
    "update_response": Machines._answer_update,
}

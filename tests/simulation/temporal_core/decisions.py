"""What the code of one run decides: commands for the server, which wait for their events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from temporalio.api.command.v1 import Command
from temporalio.bridge.proto.workflow_activation import (
    WorkflowActivationJob,
)

from tests.simulation.temporal_core import commands, jobs, resolutions
from tests.simulation.temporal_core.states import ActivityState, ChildState, Outgoing
from tests.simulation.temporal_server.updates import UpdateAnswer

LOCAL: Final = "LOCAL"
"""The kind of a local activity's marker, whose place in the history says nothing."""
TRY_CANCEL: Final = 0
WAIT: Final = 1
ABANDON: Final = 2


class Decisions:
    """The decisions; `jobs` gather what they resolve at once."""

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
        if asked.seq not in self.timers.values():
            return  # it has fired in this very activation
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

    def _cancel_signal(self, _: Any, asked: Any) -> None:
        """Do nothing: the code asks for this where it is cancelled while it waits for a signal, which is sent by then."""

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


_DECIDE: Final[dict[str, Callable[[Decisions, Any, Any], None]]] = {
    "schedule_activity": Decisions._schedule_activity,
    "request_cancel_activity": Decisions._cancel_activity,
    "start_timer": Decisions._start_timer,
    "cancel_timer": Decisions._cancel_timer,
    "start_child_workflow_execution": Decisions._start_child,
    "cancel_child_workflow_execution": Decisions._cancel_child,
    "signal_external_workflow_execution": Decisions._signal_external,
    "cancel_signal_workflow": Decisions._cancel_signal,
    "request_cancel_external_workflow_execution": Decisions._cancel_external,
    "set_patch_marker": Decisions._mark_patch,
    "upsert_workflow_search_attributes": Decisions._upsert,
    "modify_workflow_properties": Decisions._modify,
    "complete_workflow_execution": Decisions._complete,
    "fail_workflow_execution": Decisions._fail,
    "cancel_workflow_execution": Decisions._cancel,
    "continue_as_new_workflow_execution": Decisions._continue,
    "update_response": Decisions._answer_update,
}

"""The machines of one run: events become jobs for its code, and the code's commands what the server takes.

Invariant: each command becomes one event, in order; where the history has another one, the run can't go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import (
    CancelWorkflow,
    FireTimer,
    SignalWorkflow,
    UpdateRandomSeed,
    WorkflowActivationJob,
)

from tests.simulation.temporal_core import jobs, resolutions
from tests.simulation.temporal_core.decisions import Decisions
from tests.simulation.temporal_core.jobs import seed_of
from tests.simulation.temporal_core.states import ActivityState, ChildState, NondeterminismError
from tests.simulation.temporal_server.history import FIELDS, kind_of

_RESET: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW


class Machines(Decisions):
    """The machines; `jobs` gather until they are taken."""

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

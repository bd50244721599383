"""One run of a volume's workflows, made from the events of its history.

Contract: the events are those of the server, in order, whoever started the run. Times are UTC.

Not kept here: what the run knew of the holders (known_holders.py), and the list of runs (history.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError, RPCStatusCode

from mooring import names
from mooring.errors import OperationCancelled
from mooring.models import Model
from mooring.states import State
from mooring.temporal.known_holders import KnownHolders
from mooring.temporal.runs import is_reset, legible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from temporalio.api.common.v1 import Payload
    from temporalio.api.failure.v1 import Failure
    from temporalio.client import Client, WorkflowExecutionDescription

OPERATIONS: Final = {names.PUBLISH: "publish", names.UNPUBLISH: "unpublish", names.PERSIST: "persist", names.ADOPT: "adopt"}

_ON_THE_WAY: Final = frozenset(
    {
        State.PUBLISHING,
        State.ROLLING_BACK,
        State.UNPUBLISHING,
        State.WAITING_FOR_PV,
        State.ADOPTING,
    }
)

_ATTACH: Final = "backend_publish"
_DETACH: Final = ("backend_unpublish", "backend_undo")
_LOCAL_ACTIVITY: Final = "core_local_activity"
"""The name of a marker of the SDK."""

_ENDS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "Completed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "Failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "Cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "Terminated",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "TimedOut",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "ContinuedAsNew",
}


class VolumeRun(Model):
    """One run. Times are UTC; `ended_at` is None while it is open.

    `operation`: publish, unpublish, adopt, or persist (it held the volume until there was a PV). `node_id` is "" for every node.
    `state`: the AttachmentState it reached, or Cancelled, Terminated, TimedOut, ContinuedAsNew; else Running, Completed, Failed.
    `held_by`: the holders that it knew last, None if it had not looked. `failure`: the failure type of one that failed, or of the
    last attempt of the step that an open one waits for. `cause`: the reason for which a publish is or was rolled back, "" for none
    or where its history doesn't say.
    """

    run_id: str
    workflow_id: str
    operation: str
    node_id: str
    started_at: datetime
    ended_at: datetime | None
    state: str
    held_by: tuple[str, ...] | None
    epoch: int | None
    failure: str
    message: str
    cause: str = ""


@dataclass(slots=True)
class RunReader:
    """The reader that adds up the events of one run."""

    client: Client
    operation: str = ""
    node_id: str = ""
    asked_at: datetime = datetime.min
    """The time of the request: that of its start, unless it is a run that was reset."""
    started_at: datetime = datetime.min
    ended_at: datetime | None = None
    state: str = ""
    end: str = "Running"
    failure: str = ""
    message: str = ""
    failed_step: str = ""
    """The reason why the newest step that failed did, or that the run was to be cancelled."""
    cause: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    """Its request."""
    result: dict[str, Any] = field(default_factory=dict)
    known: KnownHolders = field(default_factory=KnownHolders)
    scheduled: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """Activity type, id and summary, by the event that scheduled it."""
    attaches: bool = False
    """True if it has asked the backend to attach, and not had it detach since."""

    async def read(self, event: HistoryEvent) -> None:
        """Take in the next event."""
        take_in = _TAKE_IN.get(event.event_type)
        if take_in is not None:
            await take_in(self, event)

    async def _scheduled(self, event: HistoryEvent) -> None:
        activity = event.activity_task_scheduled_event_attributes
        summary = await self._decode([event.user_metadata.summary]) if event.user_metadata.HasField("summary") else ""
        self.scheduled[event.event_id] = (activity.activity_type.name, activity.activity_id, summary)
        self.attaches = self.attaches or activity.activity_type.name == _ATTACH

    async def _completed(self, event: HistoryEvent) -> None:
        done = event.activity_task_completed_event_attributes
        step = self.scheduled[done.scheduled_event_id][0]
        self.attaches = self.attaches and step not in _DETACH
        self.known.learn(step, await self._decode(done.result.payloads))

    async def _step_failed(self, event: HistoryEvent) -> None:
        """Note the reason for a failure, in case the run is rolled back next."""
        self.failed_step = await self._said(event.activity_task_failed_event_attributes.failure)

    async def _step_timed_out(self, event: HistoryEvent) -> None:
        self.failed_step = await self._said(event.activity_task_timed_out_event_attributes.failure)

    async def _cancel_requested(self, _: HistoryEvent) -> None:
        self.failed_step = "it was cancelled"

    async def read_pending(self, run: WorkflowExecutionDescription | None) -> None:
        """Take in what the open run waits for."""
        summaries = {activity_id: summary or kind for kind, activity_id, summary in self.scheduled.values()}
        for step in run.raw_description.pending_activities if run else ():
            why = f": {step.last_failure.message}" if step.HasField("last_failure") else ""
            self.message = f"{summaries.get(step.activity_id, step.activity_type.name)}, attempt {step.attempt}{why}"
            self.failure = step.last_failure.application_failure_info.type

    def run(self, workflow_id: str, run_id: str) -> VolumeRun:
        """Return the run, as far as it was read."""
        return VolumeRun(
            run_id=run_id,
            workflow_id=workflow_id,
            operation=self.operation,
            node_id=self.node_id,
            started_at=self.started_at,
            ended_at=self.ended_at,
            state=self._state(),
            held_by=self.known.held_by,
            epoch=self.known.epoch,
            failure=self.failure,
            message=self.message,
            cause=self.cause,
        )

    def _state(self) -> str:
        if self.failure == OperationCancelled.type_name():
            return "Cancelled"
        shown_last = self.ended_at is None or (self.end in ("Completed", "Failed") and self.state not in _ON_THE_WAY)
        return (shown_last and self.state) or self.end

    async def _started(self, event: HistoryEvent) -> None:
        started = event.workflow_execution_started_event_attributes
        self.asked_at = self.started_at = _moment(event)
        self.operation = OPERATIONS.get(started.workflow_type.name, started.workflow_type.name)
        asked = await self._decode(started.input.payloads)
        self.asked = asked if isinstance(asked, dict) else {}
        self.node_id = str(self.asked.get("attachment", self.asked).get("node_id", ""))
        if started.workflow_type.name == names.PERSIST:
            self.known.add_unrecorded(self.node_id)

    async def _showed(self, event: HistoryEvent) -> None:
        shown = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        if names.ATTACHMENT_STATE in shown:
            # NB: search attributes are never encrypted, so the client's codec doesn't apply.
            self.state = json.loads(shown[names.ATTACHMENT_STATE].data)
            self.cause = self.failed_step if self.state == State.ROLLING_BACK else self.cause

    async def _marked(self, event: HistoryEvent) -> None:
        """Take in a step that was done within a workflow task."""
        details = event.marker_recorded_event_attributes.details
        if event.marker_recorded_event_attributes.marker_name == _LOCAL_ACTIVITY and "result" in details:
            # NB: the SDK's own part is never encrypted, so the client's codec doesn't apply.
            activity = json.loads(details["data"].payloads[0].data)["activity_type"]
            self.known.learn(activity, await self._decode(details["result"].payloads))

    async def _begins_again(self, event: HistoryEvent) -> None:
        """Forget what its former self was shown, if it was reset here: others may have had the volume since.

        NB: the first event is of the time when its former self was started, while Temporal has this run start here.
        """
        if is_reset(event):
            self.started_at = _moment(event)
            self.known, self.attaches = KnownHolders(highest=self.known.highest), False

    async def _noted(self, event: HistoryEvent) -> None:
        noted = event.workflow_properties_modified_event_attributes.upserted_memo.fields
        if names.LET_GO_MEMO in noted:
            self.known.note_let_go(await self._decode([noted[names.LET_GO_MEMO]]))

    async def _ended(self, event: HistoryEvent) -> None:
        self.ended_at, self.end = _moment(event), _ENDS[event.event_type]
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                result = await self._decode(event.workflow_execution_completed_event_attributes.result.payloads)
                self._succeeded(result)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                await self._failed(event.workflow_execution_failed_event_attributes.failure)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED if self.operation == OPERATIONS[names.PERSIST]:
                if not self.known.epoch:  # it had nothing but itself to hold the volume with
                    self.known.held_by = ()
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
                end = event.workflow_execution_terminated_event_attributes
                self.message = f"by {end.identity or 'somebody'}: {end.reason or 'no reason given'}"
                if self.attaches and self.node_id not in (self.known.held_by or ()):
                    self.known.add_unrecorded(self.node_id)  # NB: its hold may have been terminated, too

    def _succeeded(self, result: Any) -> None:
        self.result = result if isinstance(result, dict) else {"message": result}
        self.message = str(self.result.get("message") or "")
        if self.result.get("persisted") is False:
            self.known.add_unrecorded(self.node_id)
        elif self.result.get("annotation_cleared"):
            self.known.remove(self._lets_go)

    def frees(self, node: str) -> bool:
        """Return whether it took the volume from the node."""
        return bool(self.result.get("annotation_cleared")) and self._lets_go(node)

    def _lets_go(self, node: str) -> bool:
        """Return whether the unpublish took the volume from the node; one bound to an observation may have left it there."""
        bound = self.asked.get("stray") or self.asked.get("at_run") or self.asked.get("at_epoch") is not None
        return node in self.result.get("released", ()) if bound else self.node_id in ("", node)

    async def _said(self, failure: Failure) -> str:
        """Return what the failure says, of a step that ran out of time its last attempt's."""
        last = failure.cause if failure.HasField("timeout_failure_info") and failure.HasField("cause") else failure
        error = await self.client.data_converter.decode_failure(last)
        return error.message if isinstance(error, FailureError) else str(error)

    async def _failed(self, failure: Failure) -> None:
        error = await self.client.data_converter.decode_failure(failure)
        self.failure = (isinstance(error, ApplicationError) and error.type) or ""
        self.message = error.message if isinstance(error, FailureError) else str(error)

    async def _decode(self, payloads: Sequence[Payload]) -> Any:
        """Decode the first of the payloads, as plain JSON."""
        return (await self.client.data_converter.decode(payloads) or [None])[0] if payloads else None


_TAKE_IN: Final[dict[EventType.ValueType, Callable[[RunReader, HistoryEvent], Awaitable[None]]]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: RunReader._started,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: RunReader._showed,
    EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED: RunReader._noted,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: RunReader._scheduled,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: RunReader._completed,
    EventType.EVENT_TYPE_MARKER_RECORDED: RunReader._marked,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: RunReader._begins_again,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: RunReader._step_failed,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: RunReader._step_timed_out,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: RunReader._cancel_requested,
    **dict.fromkeys(_ENDS, RunReader._ended),
}
"""The readers of events, by type. NB: the SDK's types are slow to be looked up by name, and a history has many events."""


async def read_events(client: Client, workflow_id: str, run_id: str) -> RunReader | None:
    """Read the history of a run; return None if it is gone.

    Raises:
        UnreadableHistory: an event can't be read by this process.
        RPCError: Temporal didn't answer.

    """
    reader = RunReader(client)
    try:
        async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events():
            with legible(workflow_id, run_id):
                await reader.read(event)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return reader


def _moment(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(UTC)

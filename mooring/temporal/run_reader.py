"""One run of a volume's workflows, made from the events of its history.

Contract: the events are those of the server, in order, whoever started the run. `held_by` and `epoch` are the last that the run
read from or wrote to the record itself, not an index, or knew of a volume without one. Times are UTC.

Not kept here: the list of runs (history.py).
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
from mooring.temporal.runs import legible

if TYPE_CHECKING:
    from collections.abc import Sequence

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

# The activities that say something of the record, by type: see activities/.
_RECORDS: Final = frozenset({"look_at_volume", "record_attachment", "release_attachment", "persist_attachment", "undo_attachment"})
_FIND: Final = "find_unpersisted"
_ENDED: Final = ("drop_unpersisted", "outwait_unpersisted")

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
    last attempt of the step that an open one waits for.
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


@dataclass(slots=True)
class RunReader:
    """The reader that adds up the events of one run."""

    client: Client
    operation: str = ""
    node_id: str = ""
    started_at: datetime = datetime.min
    ended_at: datetime | None = None
    state: str = ""
    end: str = "Running"
    held_by: tuple[str, ...] | None = None
    epoch: int | None = None
    failure: str = ""
    message: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    """Its request."""
    result: dict[str, Any] = field(default_factory=dict)
    looked: bool = False
    """True if it read or wrote the record, or saw that there is none; otherwise it knew of a waiting attachment at most."""
    let_go: str = ""
    """The node that it took back, where its PV had gone."""
    record: dict[str, Any] | None = None
    """The record that it read or wrote last, if the volume has one."""
    scheduled: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """Activity type, id and summary, by the event that scheduled it."""

    async def read(self, event: HistoryEvent) -> None:
        """Take in the next event."""
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                await self._started(event)
            case EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
                await self._showed(event)
            case EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED:
                await self._noted(event)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                activity = event.activity_task_scheduled_event_attributes
                summary = await self._decode([event.user_metadata.summary]) if event.user_metadata.HasField("summary") else ""
                self.scheduled[event.event_id] = (activity.activity_type.name, activity.activity_id, summary)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                done = event.activity_task_completed_event_attributes
                self._learn(self.scheduled[done.scheduled_event_id][0], await self._decode(done.result.payloads))
            case ended if ended in _ENDS:
                self.ended_at, self.end = _moment(event), _ENDS[ended]
                await self._ended(event)

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
            held_by=self.held_by,
            epoch=self.epoch,
            failure=self.failure,
            message=self.message,
        )

    def _state(self) -> str:
        if self.failure == OperationCancelled.type_name():
            return "Cancelled"
        shown_last = self.ended_at is None or (self.end in ("Completed", "Failed") and self.state not in _ON_THE_WAY)
        return (shown_last and self.state) or self.end

    async def _started(self, event: HistoryEvent) -> None:
        started = event.workflow_execution_started_event_attributes
        self.started_at = _moment(event)
        self.operation = OPERATIONS.get(started.workflow_type.name, started.workflow_type.name)
        asked = await self._decode(started.input.payloads)
        self.asked = asked if isinstance(asked, dict) else {}
        self.node_id = str(self.asked.get("attachment", self.asked).get("node_id", ""))
        if started.workflow_type.name == names.PERSIST:
            self.held_by, self.epoch = (self.node_id,), 0

    async def _showed(self, event: HistoryEvent) -> None:
        shown = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        if names.ATTACHMENT_STATE in shown:
            # NB: search attributes are never encrypted, so the client's codec doesn't apply.
            self.state = json.loads(shown[names.ATTACHMENT_STATE].data)

    async def _noted(self, event: HistoryEvent) -> None:
        noted = event.workflow_properties_modified_event_attributes.upserted_memo.fields
        if names.LET_GO_MEMO in noted:
            self.let_go = await self._decode([noted[names.LET_GO_MEMO]])
            self.held_by = tuple(node for node in self.held_by or () if node != self.let_go)

    async def _ended(self, event: HistoryEvent) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                result = await self._decode(event.workflow_execution_completed_event_attributes.result.payloads)
                self._succeeded(result)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                await self._failed(event.workflow_execution_failed_event_attributes.failure)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED if self.operation == OPERATIONS[names.PERSIST] and not self.epoch:
                self.held_by = ()  # it had nothing but itself to hold the volume with
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
                end = event.workflow_execution_terminated_event_attributes
                self.message = f"by {end.identity or 'somebody'}: {end.reason or 'no reason given'}"

    def _succeeded(self, result: Any) -> None:
        self.result = result if isinstance(result, dict) else {"message": result}
        self.message = str(self.result.get("message") or "")
        if self.result.get("persisted") is False:
            self.held_by, self.epoch = self._beside_record(self.node_id), 0
        elif self.result.get("annotation_cleared"):
            self.held_by = tuple(node for node in self.held_by or () if not self._lets_go(node))

    def frees(self, node: str) -> bool:
        """Return whether it took the volume from the node."""
        return bool(self.result.get("annotation_cleared")) and self._lets_go(node)

    def _lets_go(self, node: str) -> bool:
        """Return whether the unpublish took the volume from the node; one bound to an observation may have left it there."""
        bound = self.asked.get("stray") or self.asked.get("at_run") or self.asked.get("at_epoch") is not None
        return node in self.result.get("released", ()) if bound else self.node_id in ("", node)

    async def _failed(self, failure: Failure) -> None:
        error = await self.client.data_converter.decode_failure(failure)
        self.failure = (isinstance(error, ApplicationError) and error.type) or ""
        self.message = error.message if isinstance(error, FailureError) else str(error)

    def _learn(self, activity: str, result: Any) -> None:
        if activity in _RECORDS:
            self._saw(result.get("record") or result.get("departed"))
        elif activity == _FIND and result:
            self.held_by, self.epoch = self._beside_record(result["attachment"]["node_id"]), 0
        elif activity in _ENDED:
            self.held_by = self._beside_record()

    def _beside_record(self, *nodes: str) -> tuple[str, ...]:
        """Return the recorded holders and these nodes, which hold the volume without a record and change nothing of it."""
        record = self.record or {}
        copies = (record, *record.get("others", ()))
        recorded = (held["node_id"] for copy in copies for held in copy.get("holders") or ())
        return tuple(dict.fromkeys((*recorded, *nodes)))

    def _saw(self, record: Any) -> None:
        """Note the record that the run saw, or None if there is none."""
        self.record, self.looked = record, True
        self.held_by = self._beside_record()
        self.epoch = max(record["mark"]["epoch"] or 0, record.get("floor", 0)) if record else 0

    async def _decode(self, payloads: Sequence[Payload]) -> Any:
        """Decode the first of the payloads, as plain JSON."""
        return (await self.client.data_converter.decode(payloads) or [None])[0] if payloads else None


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

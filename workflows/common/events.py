"""The reports of workflow code to operators: by way of the worker's recorder, beside the history.

Contract: best effort. It issues no command, so that histories with and without it are the same; a replay reports nothing again,
and without a recorder from the worker nothing is reported.

Not kept here: the recording (mooring/events/recorder.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from mooring.errors import TABLE, MooringError
    from mooring.events.reasons import RECORD_EVENT, EventNote, Reason
    from workflows.common.failures import cause, reason

if TYPE_CHECKING:
    from mooring.events.reasons import RecordEvent
    from workflows.common.steps import Steps


def record_event(event: EventNote) -> None:
    """Hand the event to the recorder; never raise."""
    take: RecordEvent | None = workflow.extern_functions().get(RECORD_EVENT)
    if take is not None and not workflow.unsafe.is_replaying():
        take(event)


def record_not_attached(steps: Steps, node_id: str, error: BaseException) -> None:
    """Report why an attach fails. A cancelled one is reported once it is rolled back."""
    if is_cancelled_exception(error):
        return
    root = cause(error)
    refused = root is not None and TABLE.get(root.type or "", MooringError).expected
    holders = steps.seen.everyone if steps.seen and refused else ()
    volume = steps.volume.volume_handle
    record_event(
        EventNote(
            reason=Reason.ATTACH_REFUSED if refused else Reason.ATTACH_FAILED,
            volume_handle=volume,
            node_id=node_id,
            pv=steps.seen.mark if steps.seen else None,
            note=f"Volume {volume} is not attached to node {node_id}. The cause: {reason(error)}",
            holder=next((held.node_id for held in holders if held.node_id != node_id), ""),
        )
    )

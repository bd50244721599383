"""The end of a hold that came before an operator's reset: whether what the reset brought back was over.

Contract: a hold is over where a run that it goes back to has ended by itself, where its publish was rolled back, or where its node
was unpublished since it began. The latter two may have ended another run of the same hold, of which a reset to before that one
knows nothing. A hold that was never reset isn't over, nor is one of which nothing readable says so. Where an operation that may be
the end is open, or isn't listed yet, that is unknown, and raised.

Not kept here: the origins of a run (mooring/temporal/lineage.py), and the consequences (activities/unpersisted.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

from mooring import names
from mooring.errors import TemporalUnavailable, UnreadableHistory
from mooring.evidence.last_run import UNASKED
from mooring.evidence.newest_operation import newest_operation, pending, require_listed
from mooring.models import Attachment
from mooring.temporal.lineage import began_at, first_run_id, had_ended_before
from mooring.temporal.reasons import in_words
from mooring.temporal.run_reader import read_events
from mooring.temporal.runs import look_up

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription

    from mooring.models import VolumeRef

_NODE: Final = SearchAttributeKey.for_keyword(names.NODE_ID)
_MAY_END: Final = "may end this hold, which was reset"
_ROLLED_BACK: Final = (WorkflowExecutionStatus.FAILED, WorkflowExecutionStatus.CANCELED)


async def is_over(client: Client, volume: VolumeRef, hold: WorkflowExecutionDescription, asking: str) -> bool:
    """Return whether the hold was over before it was reset; `asking` is the operation that asks, or "".

    Raises:
        OperationPending: an operation that may be its end is open.
        TemporalUnavailable: Temporal didn't answer, or doesn't list the volume's newest operation yet.

    """
    if first_run_id(hold) == hold.run_id:
        return False
    return (
        await had_ended_before(client, hold)
        or await _was_rolled_back(client, volume, hold, asking)
        or await _was_unpublished(client, volume, hold, asking)
    )


async def _was_rolled_back(client: Client, volume: VolumeRef, hold: WorkflowExecutionDescription, asking: str) -> bool:
    """Return whether the publish that began the hold was rolled back, and has ended the hold then."""
    publish = hold.parent_run_id
    if not publish or publish == asking:
        return False
    run = await look_up(client, names.volume_id(volume), publish)
    if run is not None and run.status is WorkflowExecutionStatus.RUNNING:
        raise pending(volume, run, _MAY_END)
    return run is not None and run.status in _ROLLED_BACK


async def _was_unpublished(client: Client, volume: VolumeRef, hold: WorkflowExecutionDescription, asking: str) -> bool:
    """Return whether an operation has taken the volume from the hold's node since the hold began.

    NB: the state of the newest operation is consistent. Visibility is not, but lists the operations before one that it lists.
    """
    workflow_id = names.volume_id(volume)
    newest = await newest_operation(client, volume, asking, _MAY_END)
    if newest is None:
        return False
    node = (await hold.memo_value(names.ATTACHMENT_MEMO, type_hint=Attachment)).node_id
    if await _frees(client, newest, node):
        return True
    await require_listed(client, volume, newest)
    since = await began_at(client, hold)
    query = (
        f"{names.runs_of(workflow_id)} AND WorkflowType = '{names.UNPUBLISH}' AND StartTime >= {names.quoted(since.isoformat())}"
    )
    try:
        return any([await _frees(client, run, node) async for run in client.list_workflows(query) if run.run_id != newest.run_id])
    except RPCError as error:
        if error.status in UNASKED:
            return False
        raise TemporalUnavailable(f"Temporal did not list the runs of {workflow_id}: {in_words(error)}.") from error


async def _frees(client: Client, run: WorkflowExecution, node: str) -> bool:
    """Return whether this operation is an unpublish that has taken the volume from the node; most are known not to be unread."""
    about = run.typed_search_attributes.get(_NODE, "")
    if run.workflow_type != names.UNPUBLISH or about not in ("", names.short(node)):
        return False
    try:
        reader = await read_events(client, run.id, run.run_id)
    except UnreadableHistory:  # NB: the node keeps the volume, until it is unpublished again
        return False
    except RPCError as error:
        raise TemporalUnavailable(f"Temporal did not return the history of {run.id}: {in_words(error)}.") from error
    return reader is not None and reader.frees(node)

"""The newest operation of a volume, as Temporal has it: its state is consistent, which its list of runs is not.

Contract: an open unpublish may have looked before whatever is seen now, and may end on that look. Which nodes it takes the volume
from is known once it has ended and is listed; one that begins later looks for itself.

Not kept here: conclusions from that (past_holds.py, evidence.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.client import WorkflowExecutionStatus

from mooring import names
from mooring.errors import OperationPending, TemporalUnavailable
from mooring.evidence.last_run import is_listed
from mooring.temporal.runs import look_up

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecutionDescription

    from mooring.models import VolumeRef


async def newest_operation(client: Client, volume: VolumeRef, asking: str, why: str) -> WorkflowExecutionDescription | None:
    """Return the volume's newest operation, or None if Temporal knows none.

    Raises:
        OperationPending: it is an unpublish that is open, and not the run `asking`; `why` says what that may do.
        TemporalUnavailable: Temporal didn't answer.

    """
    newest = await look_up(client, names.volume_id(volume))
    if newest is None or newest.status is not WorkflowExecutionStatus.RUNNING:
        return newest
    if newest.workflow_type == names.UNPUBLISH and newest.run_id != asking:
        raise pending(volume, newest, why)
    return newest


def pending(volume: VolumeRef, run: WorkflowExecutionDescription, why: str) -> OperationPending:
    """Return the error that says that a run is open, and `why` its end is waited for."""
    return OperationPending(f"Run {run.run_id} on volume {volume.volume_handle} is open, and {why}; it is checked again.")


async def require_listed(client: Client, volume: VolumeRef, newest: WorkflowExecutionDescription) -> None:
    """Raise TemporalUnavailable unless visibility lists the operation, and so those before it."""
    if not await is_listed(client, volume, newest.run_id):
        raise TemporalUnavailable(f"Temporal does not list run {newest.run_id} of {names.volume_id(volume)} yet.")

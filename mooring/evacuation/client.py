"""The start of a node's evacuation, or the joining of an open one, and the approval of one that waits.

Contract: at most one evacuation of a node is open: its workflow id is the whole request. One that is open takes in the knowledge of
the new request, and looks at the node at once.

Not kept here: the evacuation itself (workflows/evacuate.py), finding that one is due (node_watcher.py,
mooring/reconciliation/healer.py).
"""

from __future__ import annotations

from typing import Final

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from mooring import names
from mooring.errors import MooringError, NothingToApprove, from_failure
from mooring.models import Approval
from mooring.models.evacuation import EvacuateRequest, EvacuationResult
from mooring.temporal import runs

DEADLINE: Final = 15.0
"""Seconds that Temporal has to answer."""

Evacuation = WorkflowHandle[object, EvacuationResult]


def evacuation_of(client: Client, driver: str, node_id: str) -> Evacuation:
    """Return the newest evacuation of the node."""
    return client.get_workflow_handle(names.evacuate_id(driver, node_id), result_type=EvacuationResult)


async def start_evacuation(client: Client, task_queue: str, asked: EvacuateRequest) -> Evacuation:
    """Have the node evacuated, as soon as it is proven that it is dead.

    Raises:
        TemporalUnavailable: it may not have begun.

    """
    async with runs.deadline(DEADLINE, f"The evacuation of node {asked.node_id}"):
        await client.start_workflow(
            names.EVACUATE,
            asked,
            id=names.evacuate_id(asked.driver, asked.node_id),
            task_queue=task_queue,
            start_signal=names.EVACUATE,
            start_signal_args=[asked],
            task_timeout=names.TASK_TIMEOUT,
            static_summary=names.summary(f"evacuate node {asked.node_id}"),
        )
    return evacuation_of(client, asked.driver, asked.node_id)


async def approve(evacuation: Evacuation, approval: Approval) -> str:
    """Send an evacuation an operator's approval that the node is off, and return its answer.

    Raises:
        NothingToApprove: it has proof already, or has ended.
        TemporalUnavailable: it may not have received it.

    """
    async with runs.deadline(DEADLINE, f"The approval of {evacuation.id}"):
        try:
            said: str = await evacuation.execute_update(names.APPROVE, approval, result_type=str)
        except WorkflowUpdateFailedError as refused:
            raise _refusal(refused) from refused
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NothingToApprove(f"{evacuation.id} has ended or never began.") from error
            raise
        return said


def _refusal(refused: WorkflowUpdateFailedError) -> MooringError:
    cause = refused.cause
    return from_failure(cause.type, cause.message) if isinstance(cause, ApplicationError) else MooringError(f"{refused}: {cause}.")

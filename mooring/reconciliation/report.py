"""The report on a driver's last reconciliation, from the Schedule and its runs: for the command, checks and metrics alike.

Contract: all callers get the same answer. A run's result is kept for as long as the namespace keeps closed runs.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from temporalio.client import ScheduleActionExecutionStartWorkflow, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from mooring import names
from mooring.models import Model
from mooring.models.reconciliation import Progress, ReconcileResult
from mooring.reconciliation.schedule import queue_of
from mooring.states import State
from mooring.temporal.runs import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from temporalio.client import (
        Client,
        ScheduleActionExecution,
        ScheduleDescription,
        ScheduleInfo,
        WorkflowExecutionDescription,
    )

GLANCE_SECONDS: Final = 0.2
QUERY_TIME: Final = timedelta(seconds=5)
_STATE: Final = SearchAttributeKey.for_keyword(names.ATTACHMENT_STATE)


class Run(Model):
    """One run of the Schedule, by its ids."""

    workflow_id: str
    run_id: str


class ReconciliationReport(Model):
    """State of a driver's reconciliation.

    `result` is that of the newest reconciliation that has completed, at `ended_at`; both None if there is none. `failed`: the
    reason why a newer one did not complete, "" for none. `running` is the open run, `running_queue` the task queue that it waits
    on, and `awaits_approval` says whether it waits for one. Of the Schedule: `task_queue` is the one that it names, `interval` the
    seconds between two runs, `begun_at` when it was made; `paused` the note of who paused it, None if nobody did.
    """

    result: ReconcileResult | None = None
    ended_at: datetime | None = None
    failed: str = ""
    running: Run | None = None
    awaits_approval: bool = False
    task_queue: str = ""
    running_queue: str = ""
    interval: float = 0
    begun_at: datetime | None = None
    paused: str | None = None


async def last_report(client: Client, driver: str) -> ReconciliationReport | None:
    """Return the report on the driver, or None if no Schedule has it reconciled; raise RPCError if Temporal doesn't answer."""
    described = await _described(client, driver)
    if described is None:
        return None
    info, running = described.info, _running(described.info)
    seen = await describe(client, running.workflow_id, running.run_id) if running else None
    state = described.schedule.state
    report = ReconciliationReport(
        running=running,
        running_queue=seen.task_queue if seen else "",
        awaits_approval=seen is not None and _awaits_approval(seen),
        task_queue=queue_of(described.schedule),
        interval=min((each.every.total_seconds() for each in described.schedule.spec.intervals), default=0),
        begun_at=info.created_at,
        paused=(state.note or "no note") if state and state.paused else None,
    )
    for run in reversed(_runs(action.action for action in info.recent_actions)):
        seen = await describe(client, run.workflow_id, run.run_id)
        if seen is None or seen.status is WorkflowExecutionStatus.RUNNING:
            continue
        if seen.status is WorkflowExecutionStatus.COMPLETED:
            return report.model_copy(update={"result": await result(client, run), "ended_at": seen.close_time})
        ended = seen.status.name if seen.status else "unknown"
        told = report.failed or f"The newest reconciliation, {run.workflow_id}, ended as {ended}."
        report = report.model_copy(update={"failed": told})
    return report


async def running(client: Client, driver: str) -> Run | None:
    """Return the open reconciliation of the driver, if any; raise RPCError if Temporal doesn't answer."""
    info = await _info(client, driver)
    return _running(info) if info else None


async def begin(client: Client, driver: str) -> Run | None:
    """Have the driver reconciled now and return the run, which may have begun before, or None if no Schedule has it reconciled.

    Raise RPCError if Temporal doesn't answer.
    """
    info = await _info(client, driver)
    if info is None or (begun := _running(info)):
        return begun if info else None
    await client.get_schedule_handle(names.reconcile_id(driver)).trigger()
    known = _runs(action.action for action in info.recent_actions)
    while info is not None:
        for run in _runs([*info.running_actions, *(action.action for action in info.recent_actions)]):
            if run not in known:
                return run
        await asyncio.sleep(GLANCE_SECONDS)
        info = await _info(client, driver)
    return None


async def result(client: Client, run: Run) -> ReconcileResult:
    """Wait for the run's result and return it; raise WorkflowFailureError if it has none."""
    handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id, result_type=ReconcileResult)
    found: ReconcileResult = await handle.result()
    return found


async def awaits_approval(client: Client, run: Run) -> bool:
    """Return whether the run waits for an operator."""
    seen = await describe(client, run.workflow_id, run.run_id)
    return seen is not None and _awaits_approval(seen)


def _awaits_approval(run: WorkflowExecutionDescription) -> bool:
    return run.typed_search_attributes.get(_STATE) == State.AWAITING_APPROVAL


async def progress(client: Client, run: Run) -> Progress:
    """Return the progress of the open run, from the worker that has it."""
    handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    found: Progress = await handle.query(names.PROGRESS, result_type=Progress, rpc_timeout=QUERY_TIME)
    return found


async def _info(client: Client, driver: str) -> ScheduleInfo | None:
    described = await _described(client, driver)
    return described.info if described else None


async def _described(client: Client, driver: str) -> ScheduleDescription | None:
    try:
        return await client.get_schedule_handle(names.reconcile_id(driver)).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _running(info: ScheduleInfo) -> Run | None:
    return next(iter(_runs(info.running_actions)), None)


def _runs(actions: Iterable[ScheduleActionExecution]) -> list[Run]:
    own = (action for action in actions if isinstance(action, ScheduleActionExecutionStartWorkflow))
    return [Run(workflow_id=action.workflow_id, run_id=action.first_execution_run_id) for action in own]

"""The result of the last reconciliation, as a check's answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from mooring.checks.results import Answer, failed, ok, skipped, warning
from mooring.commands import arguments
from mooring.models.drift import VANISHED
from mooring.names import reconcile_id
from mooring.temporal.queues import LIVELY

if TYPE_CHECKING:
    from mooring.models.reconciliation import ReconcileResult
    from mooring.reconciliation.report import ReconciliationReport
    from mooring.temporal.queues import QueueWorkers

_SEE: Final = "mooring drift -o wide"
MISSED: Final = 3
"""Reconciliations in a row that may be missed."""
GRACE: Final = 60.0
"""Seconds that one may take."""


def judge_schedule(driver: str, queue: str, named: str, workers: QueueWorkers | None) -> Answer:
    """Return the answer to whether workers of this queue reconcile the driver, whose Schedule has this one `named`, "" for none.

    `workers` are those of the queue that is named.
    """
    what = f"The Schedule {reconcile_id(driver)} names task queue {named}"
    if not named or workers is None:
        return skipped(f"there is no Schedule {reconcile_id(driver)}")
    if unserved := workers.unserved:
        return failed(f"{what}, of which nothing is reconciled. {unserved.cause}.", unserved.fix, unserved.command)
    if not workers.served:
        why = f"{what}, which no worker has polled in the last {LIVELY.seconds} s, so nothing is reconciled."
        return failed(why, "Start a worker with MOORING_RECONCILE_INTERVAL above 0: it takes over the Schedule.")
    if named != queue:
        why = f"{what}, not {queue}, so {', '.join(sorted(workers.served))} carry out its reconciliations."
        return failed(
            why, "Compare MOORING_TASK_QUEUE of these workers; once none of them runs, another worker takes over the Schedule."
        )
    return ok(named)


def judge_drift(report: ReconciliationReport | None, driver: str, now: datetime, workers: QueueWorkers | None = None) -> Answer:
    """Answer whether records, cluster and backend agree; `report` is None if the driver is not reconciled.

    `workers` are those of the task queue of the open reconciliation, if there is one.
    """
    if report is None:
        why = f"No Schedule reconciles driver {driver}, so drift goes unnoticed."
        return warning(why, "Start a worker with MOORING_RECONCILE_INTERVAL above 0; it creates the Schedule.")
    if report.awaits_approval:
        why = "More heals are due than MOORING_DRIFT_GUARD allows without an approval, and nothing is healed until then."
        return failed(why, "Check the list; if it is right, run `mooring approve reconcile --reason` with your reason.", _SEE)
    if (workers is not None and not workers.served) or _is_overdue(report, now):
        return _late(report, driver, now, workers)
    if report.failed:
        return warning(report.failed, "Look at the run in the Temporal UI; `mooring drift --now` runs another one.")
    found = report.result
    if found is None or report.ended_at is None:
        return skipped("no reconciliation has completed yet; `mooring drift --now` runs one")
    if found.left:
        return _left(found)
    if found.not_compared:
        return warning(" ".join(found.not_compared), "Correct the cause; the next reconciliation compares it.")
    minutes = (now - report.ended_at) / timedelta(minutes=1)
    return ok(f"{found.compared} compared {minutes:.0f} min ago, {found.healed} healed")


def _is_overdue(report: ReconciliationReport, now: datetime) -> bool:
    last = report.ended_at or report.begun_at
    return last is not None and report.interval > 0 and (now - last).total_seconds() > MISSED * report.interval + GRACE


def _late(report: ReconciliationReport, driver: str, now: datetime, workers: QueueWorkers | None) -> Answer:
    """Return the answer if reconciliations have ceased, with the reason as far as it is known."""
    done = f"completed {(now - report.ended_at) / timedelta(minutes=1):.0f} min ago" if report.ended_at else "has yet to complete"
    why = f"Drift goes unnoticed: the last reconciliation of driver {driver} {done}"
    if workers is not None and not workers.served and report.running is not None:
        if unserved := workers.unserved:
            return failed(f"{why}, and {report.running.workflow_id} waits. {unserved.cause}.", unserved.fix, unserved.command)
        queue = f"task queue {report.running_queue}, which no worker polls"
        fix = f"Start a worker with MOORING_TASK_QUEUE={report.running_queue}, or terminate the run; the next one is begun on time."
        terminate = f"temporal workflow terminate --workflow-id {arguments(report.running.workflow_id)}"
        return failed(f"{why}, and {report.running.workflow_id} waits on {queue}.", fix, terminate)
    if report.paused is not None:
        resume = f"temporal schedule toggle --unpause --schedule-id {arguments(reconcile_id(driver))} --reason 'to be reconciled'"
        return failed(f"{why}, and its Schedule is paused ({report.paused}).", "Resume it:", resume)
    fix = f"Look at the runs of {reconcile_id(driver)} in the Temporal UI, and at the workers' logs; see {_SEE}."
    return failed(f"{why}, and one is due every {report.interval:g} s.{f' {report.failed}' if report.failed else ''}", fix)


def _left(found: ReconcileResult) -> Answer:
    """Return the answer if drift is left, with the command for the first volume whose record vanished."""
    left = ", ".join(f"{kind}: {number}" for kind, number in sorted(found.left.items()))
    lost = next((drift.volume_handle for drift in found.drifts if drift.kind in VANISHED), None)
    if lost is None:
        return failed(f"Drift is left ({left}).", "The list says what to do about each.", _SEE)
    fix = f"`{_SEE}` says what to do about each. Begin with the volumes whose records vanished: they are refused to other nodes."
    return failed(f"Drift is left ({left}).", fix, f"mooring explain {arguments(lost)}")

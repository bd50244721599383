"""`mooring drift`: the result of the last reconciliation, or of one that is made now.

Contract: it exits with 0 if no drift is left, with FAILED if there is some, with PENDING if heals wait for an approval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from mooring import names
from mooring.cli.exit_codes import ExitCode
from mooring.cli.operations import Timeout
from mooring.cli.output import NONE, Listing, Row, age, note, print_data, print_table
from mooring.cli.session import Session
from mooring.process.clock import utc_now
from mooring.process.words import counted

if TYPE_CHECKING:
    from temporalio.client import Client

    from mooring.models.reconciliation import DriftOutcome, Progress, ReconcileResult
    from mooring.reconciliation.report import ReconciliationReport, Run

HEADERS: Final = ("KIND", "VOLUME", "NODE", "SINCE", "EPOCH", "OUTCOME", "HEAL", "WHY")
WIDE: Final = (*HEADERS, "SAID", "ADVICE")
PATIENCE: Final = 15.0
NOW_PATIENCE: Final = 180.0
GLANCE_SECONDS: Final = 0.5
STYLES: Final = {"left": "yellow", "failed": "red", "refused": "yellow", "healed": "green"}


def drift(
    context: typer.Context,
    now: Annotated[bool, typer.Option("--now", help="Reconcile now, and wait for it.")] = False,
    timeout: Timeout = NOW_PATIENCE,
    output: Listing = "table",
) -> None:
    """Show the differences that the last reconciliation found.

    They are those between records, cluster and backend, each with its outcome.
    """
    session = Session.of(context)
    what = f"the {'' if now else 'report of the last '}reconciliation of driver {session.driver}"
    report, waiting = session.run(lambda: _ask(session, now=now, timeout=timeout), what, "Interrupted. The reconciliation goes on.")
    _print(session.driver, report, waiting, output)
    if report.task_queue not in ("", session.task_queue):
        schedule, named, own = names.reconcile_id(session.driver), report.task_queue, session.task_queue
        note(f"The Schedule {schedule} names task queue {named}, not {own}; `mooring check` says who polls it.")
    _end(report, waiting)


async def _ask(session: Session, *, now: bool, timeout: float) -> tuple[ReconciliationReport, Progress | None]:
    from mooring.errors import NotReconciled
    from mooring.reconciliation.report import begin, last_report, progress
    from mooring.temporal import runs

    client = await session.temporal()
    if now:
        async with runs.deadline(timeout, f"The reconciliation of driver {session.driver}") as call:
            call.pending = "it goes on"
            run = await begin(client, session.driver)
            if run is not None:
                await _through(client, run)
    async with runs.deadline(PATIENCE, f"The last reconciliation of driver {session.driver}"):
        report = await last_report(client, session.driver)
        if report is None:
            raise NotReconciled(f"No Schedule reconciles driver {session.driver}.")
        waits = report.running if report.awaits_approval else None
        return report, await progress(client, waits) if waits else None


async def _through(client: Client, run: Run) -> None:
    """Wait until the run has ended, or waits for an approval."""
    import asyncio

    from temporalio.client import WorkflowFailureError

    from mooring.reconciliation.report import awaits_approval, result

    ending = asyncio.ensure_future(result(client, run))
    try:
        while not ending.done() and not await awaits_approval(client, run):
            await asyncio.wait([ending], timeout=GLANCE_SECONDS)
        if ending.done():
            ending.result()
    except WorkflowFailureError:
        return  # the report says so
    finally:
        ending.cancel()


def _print(driver: str, report: ReconciliationReport, waiting: Progress | None, output: str) -> None:
    if output in ("json", "yaml"):
        from mooring.cli import report_forms

        print_data(report_forms.drift(driver, report, waiting), output)
    elif report.result and report.result.drifts:
        wide = output == "wide"
        rows = [Row(_cells(each, wide=wide), STYLES.get(each.outcome, "")) for each in report.result.drifts]
        print_table(WIDE if wide else HEADERS, rows, whole=wide)


def _cells(each: DriftOutcome, *, wide: bool) -> list[str]:
    since = age(each.since, utc_now()) if each.since else NONE
    place = [each.volume_handle, each.node_id or NONE, since, str(each.epoch)]
    cells = [each.kind, *place, each.outcome, each.heal or NONE, each.why]
    return [*cells, each.said or NONE, each.advice] if wide else cells


def _end(report: ReconciliationReport, waiting: Progress | None) -> NoReturn:
    """Summarize the driver's drift, and exit with the code for it."""
    if report.failed:
        note(report.failed)
    found = report.result
    if found is not None and report.ended_at is not None:
        note(f"{age(report.ended_at, utc_now())} ago: {found.message}")
        _note_counts(found)
    if waiting is not None:
        note(f"To be approved: {counted(waiting.due, 'heal')}. `mooring approve reconcile --reason ...` approves them.")
        raise typer.Exit(ExitCode.PENDING)
    if found is None:
        note("No reconciliation has completed yet; --now runs one.")
        raise typer.Exit(ExitCode.PENDING)
    left = ExitCode.FAILED if found.left or report.failed else ExitCode.OK
    raise typer.Exit(left or (ExitCode.UNAVAILABLE if found.not_compared else ExitCode.OK))


def _note_counts(found: ReconcileResult) -> None:
    for kind, number in sorted(found.counts.items()):
        note(f"{kind}: {number}, left: {found.left.get(kind, 0)}")
    shown, total = len(found.drifts), sum(found.counts.values())
    if shown < total:
        note(f"{shown} of {total} are shown.")

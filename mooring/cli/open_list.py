"""`mooring list --open`: what is at work, waiting or stuck, the oldest first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from mooring.cli.output import NONE, Row, age, note, print_data, print_lines, print_table
from mooring.commands import arguments, code
from mooring.process.clock import utc_now

if TYPE_CHECKING:
    from temporalio.client import Client

    from mooring.cli.forms import RunForm
    from mooring.cli.session import Session
    from mooring.temporal.under_way import UnderWay

HEADERS: Final = ("AGE", "OPERATION", "VOLUME", "NODE", "STATE", "WAITS-FOR")
WIDE: Final = (*HEADERS, "TASK-QUEUE", "WORKFLOW", "RUN")
SECONDS: Final = 15.0
MAX_READ: Final = 200
"""Runs whose histories are read for the step that they wait for, the oldest ones."""
MAX_CONCURRENT: Final = 16


def print_open(session: Session, node: str, output: str) -> None:
    """Print what is under way, of one node if it isn't ""; `node` is a CSI node id."""
    runs = session.run(lambda: read_open(session, node), f"the list of what is under way for driver {session.driver}")
    if output in ("json", "yaml"):
        print_data(runs, output)
    elif output == "name":
        print_lines(run.workflow_id for run in runs)
    elif runs:
        now, wide = utc_now(), output == "wide"
        rows = [Row(_cells(run, now, wide=wide), "red" if run.stuck else "") for run in runs]
        print_table(WIDE if wide else HEADERS, rows, whole=wide)
    if not runs:
        note(f"Nothing is under way for driver {session.driver}.")
    for run in runs:
        if run.stuck:
            note(f"Stuck for over ten minutes: {code(f'mooring explain {arguments(run.volume_handle)}')}.")


def _cells(run: RunForm, now: datetime, *, wide: bool) -> list[str]:
    place = [run.volume_handle or NONE, run.node_id or NONE, run.state]
    cells = [age(run.started_at, now), run.kind, *place, run.waits_for or NONE]
    return [*cells, run.task_queue, run.workflow_id, run.run_id] if wide else cells


async def read_open(session: Session, node: str) -> list[RunForm]:
    """Read the open runs, of one node if it isn't ""."""
    from mooring.cli.forms import open_run
    from mooring.process.at_once import ask_each
    from mooring.temporal import runs
    from mooring.temporal.under_way import list_under_way

    client = await session.temporal()
    async with runs.deadline(SECONDS, f"The list of what is under way for driver {session.driver}"):
        found = [run for run in await list_under_way(client, session.driver) if node in ("", run.node_id)]
        steps = await ask_each(lambda run: _waits_for(client, run), found[:MAX_READ], MAX_CONCURRENT)
    now = utc_now()
    return [open_run(run, now, steps[at] if at < len(steps) else "") for at, run in enumerate(found)]


async def _waits_for(client: Client, run: UnderWay) -> str:
    """Return the step that the run waits for, with its last failure, "" if there is none or it can't be read."""
    from mooring.errors import UnreadableHistory
    from mooring.temporal.run_reader import read_events
    from mooring.temporal.runs import describe

    try:
        reader = await read_events(client, run.workflow_id, run.run_id)
    except UnreadableHistory:
        return ""
    if reader is None:
        return ""
    await reader.read_pending(await describe(client, run.workflow_id, run.run_id))
    return reader.message

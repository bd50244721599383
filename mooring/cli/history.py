"""`mooring history`: a volume's runs as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from mooring.cli.naming import volume_named
from mooring.cli.operations import Kubeconfig, KubeContext, VolumeName
from mooring.cli.output import NONE, UNKNOWN, Listing, Row, age, duration, note, print_data, print_table, rfc3339
from mooring.cli.session import Session
from mooring.errors import VolumeNotFound
from mooring.process.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mooring.temporal.history import VolumeHistory, VolumeRun

HEADERS: Final = ("AGE", "OPERATION", "NODE", "STATE", "HELD-BY", "EPOCH", "TOOK", "RUN")
WIDE: Final = ("STARTED", *HEADERS[1:], "FAILURE", "MESSAGE")

PATIENCE: Final = 15.0

STYLES: Final = {
    "Attached": "green",
    "Refused": "yellow",
    "RolledBack": "red",
    "NotCleared": "red",
    "NotDetached": "red",
    "Failed": "red",
    "Terminated": "red",
    "TimedOut": "red",
}


def history(
    context: typer.Context,
    volume: VolumeName,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Number of runs to show, newest first.")] = 20,
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
    output: Listing = "table",
) -> None:
    """Show the operations on VOLUME, newest first.

    HELD-BY lists the nodes that held the volume at the end of a run, or hold it now if the run is open.
    """
    session = Session.of(context, kubeconfig, kube_context)
    named = volume_named(session, volume)
    found = session.run(lambda: _read(session, named.id, limit), f"the history of volume {named.id}")
    if not found.runs and named.known is False:
        session.fail(
            VolumeNotFound(f"Volume {named.id} of driver {session.driver} has no PersistentVolume, and Temporal has no run of it.")
        )
    print_history(found.runs, output)
    if not found.runs:
        note(
            f"Temporal has no run of volume {named.id} of driver {session.driver}; it keeps runs for the namespace's retention "
            "period."
        )
    if found.more:
        note(f"There are older runs: --limit {limit * 10} shows more.")
    if found.lagging:
        note("The namespace's visibility lags: the newest run is shown, but others may be missing. Ask again in a moment.")


async def _read(session: Session, volume: str, limit: int) -> VolumeHistory:
    from mooring.client import volume_ref
    from mooring.temporal import runs
    from mooring.temporal.history import read_history

    asked = volume_ref(session.driver, volume)
    temporal = await session.temporal()
    async with runs.deadline(PATIENCE, f"The history of volume {volume}"):
        return await read_history(temporal, asked, limit)


def print_history(runs: Sequence[VolumeRun], output: str = "table") -> None:
    """Print the runs: `table` fits a terminal, `wide` omits nothing, `json` and `yaml` are for programs."""
    if output in ("json", "yaml"):
        from mooring.cli.report_forms import OperationForm

        print_data([OperationForm.model_validate(run) for run in runs], output)
    elif runs and output == "wide":
        rows = [[rfc3339(run.started_at), *cells(run), run.failure or NONE, run.message or NONE] for run in runs]
        print_table(WIDE, [Row(row) for row in rows], whole=True)
    elif runs:
        now = utc_now()
        print_table(HEADERS, [Row([age(run.started_at, now), *cells(run)], STYLES.get(run.state, "")) for run in runs], whole=False)


def cells(run: VolumeRun) -> list[str]:
    """Return the run's cells of a table, all but its age."""
    return [
        run.operation,
        run.node_id or "<every>",
        run.state,
        UNKNOWN if run.held_by is None else ",".join(run.held_by) or NONE,
        UNKNOWN if run.epoch is None else str(run.epoch),
        duration(run.ended_at - run.started_at) if run.ended_at else "-",
        run.run_id,
    ]

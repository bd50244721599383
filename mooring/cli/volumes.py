"""`mooring get` and `list`: the volumes and their holders.

`get` asks a worker, which reads the live PV. `list` reads the PVs itself and asks Temporal what waits for a PV and what is open, so
it needs no worker; where Temporal doesn't answer, it shows what the PVs say, and fails.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mooring.cli.complete_names import complete_nodes
from mooring.cli.naming import node_named, unknown_node, volume_named
from mooring.cli.operations import PATIENCE, Kubeconfig, KubeContext, Timeout, VolumeName
from mooring.cli.output import NONE, UNKNOWN, Named, Row, Table, age, note, print_data, print_lines, print_streamed, rfc3339
from mooring.cli.session import Session
from mooring.errors import MooringError, VolumeNotFound
from mooring.process.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mooring.cli.forms import VolumeForm
    from mooring.cluster.record_list import Records
    from mooring.models import VolumeStatus
    from mooring.temporal.under_way import UnderWay

HEADERS: Final = ("VOLUME", "NODE", "ATTACHED", "EPOCH", "PV", "MODE", "OPEN")
WIDE: Final = (*HEADERS, "READONLY", "OPERATION")
SECONDS: Final = 15.0


def get(
    context: typer.Context,
    volume: VolumeName,
    timeout: Timeout = PATIENCE,
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
    output: Named = "table",
) -> None:
    """Show the holders of VOLUME, read from its PV."""
    session = Session.of(context, kubeconfig, kube_context)
    handle = volume_named(session, volume).id
    what = f"the reading of volume {handle}"
    status: VolumeStatus = session.ask(
        lambda client: client.get(handle, deadline=timeout), what, joined_by="ask again.", needs_worker=True
    )
    if status.record is None and status.unpersisted is None:
        session.fail(VolumeNotFound(f"Volume {handle} of driver {session.driver} has no PersistentVolume, and no node holds it."))
    from mooring.cli import forms

    _print([forms.volume(status)], output, alone=True)


def list_volumes(
    context: typer.Context,
    node: Annotated[
        str,
        typer.Option(
            metavar="NODE",
            help="Only volumes that this node holds, or that an open operation is to give it.",
            autocompletion=complete_nodes,
            show_default=False,
        ),
    ] = "",
    attached: Annotated[
        bool | None,
        typer.Option(
            "--attached/--detached",
            help="Only volumes that some node holds, or for which an operation is open; or only the others.",
            show_default=False,
        ),
    ] = None,
    open_only: Annotated[
        bool, typer.Option("--open", help="List what is at work, waiting or stuck instead, the oldest first.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("-w", "--watch", help="After the list, print each volume whose record changes, until Ctrl-C.")
    ] = False,
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
    output: Named = "table",
) -> None:
    """List the driver's volumes and their holders.

    They are those that the PVs record, and those that wait for a PV.
    """
    session = Session.of(context, kubeconfig, kube_context)
    if open_only:
        if watch or attached is not None:
            raise typer.BadParameter("--open goes with --node and --output alone.")
        from mooring.cli.open_list import print_open

        print_open(session, node_named(session, node).id if node else "", output)
        return
    records = session.run(lambda: read_all(session), "the list of PersistentVolumes")
    from mooring.cluster.record_list import statuses

    found, errors = statuses(session.driver, records.records)
    errors += records.untranslatable
    under_way, unasked = session.run(lambda: _under_way(session), "the list of what is under way")
    volumes = _merged(session.driver, found, under_way)
    node = _holder_named(session, node, volumes) if node else ""
    wanted = [volume for volume in volumes if _wanted(volume, node, attached)]
    errors += unasked
    if watch:
        from mooring.cli.watch import follow

        for error in errors:
            note(f"Error: {error}")
        follow(session, records, *_watched(node, attached, _stream(wanted, output)))
    _print(wanted, output, alone=False)
    if not wanted:
        note(f"Driver {session.driver} has no such volumes.")
    if errors:
        session.fail(*errors)


async def read_volumes(session: Session) -> list[VolumeForm]:
    """Read all volumes, with what is under way as far as Temporal answers."""
    from mooring.cluster.record_list import statuses

    found, _ = statuses(session.driver, (await read_all(session)).records)
    return _merged(session.driver, found, (await _under_way(session))[0])


async def _under_way(session: Session) -> tuple[list[UnderWay], list[MooringError]]:
    """List what is under way, and the error that hid it."""
    from mooring.temporal import runs
    from mooring.temporal.under_way import list_under_way

    what = f"The list of volumes of driver {session.driver} that wait for a PersistentVolume or have an open operation"
    try:
        async with runs.deadline(SECONDS, what):
            return await list_under_way(await session.temporal(), session.driver), []
    except MooringError as error:
        note(f"What waits for a PersistentVolume, and what is open, is not shown: {error.args[0] if error.args else error}")
        return [], [error]


def _merged(driver: str, recorded: Sequence[VolumeStatus], under_way: Sequence[UnderWay]) -> list[VolumeForm]:
    """Return the recorded volumes with what is under way, and those that are known by that alone, by handle."""
    from mooring.cli import forms
    from mooring.models import VolumeStatus
    from mooring.temporal.under_way import STUCK_KINDS

    now = utc_now()
    waiting = {run.volume_handle: run.held for run in under_way if run.held is not None}
    operations = {run.volume_handle: forms.open_run(run, now) for run in under_way if run.kind in STUCK_KINDS}
    known = {status.volume_handle: status for status in recorded}
    for handle in {*waiting, *operations} - {*known}:
        known[handle] = VolumeStatus(driver=driver, volume_handle=handle, record=None, unpersisted=None)
    return [
        forms.volume(known[handle].model_copy(update={"unpersisted": waiting.get(handle)}), operations.get(handle))
        for handle in sorted(known)
    ]


def _watched(
    node: str, attached: bool | None, show: Callable[[VolumeForm], None]
) -> tuple[Callable[[VolumeStatus], bool], Callable[[VolumeStatus], None]]:
    """Return the filter and the printer of a watch, which sees records alone."""
    from mooring.cli import forms

    return lambda status: _wanted(forms.volume(status), node, attached), lambda status: show(forms.volume(status))


def _holder_named(session: Session, node: str, found: Sequence[VolumeForm]) -> str:
    """Return the node id of the node with this name, which must be known."""
    held = {held.node_id for volume in found for held in volume.holders} | {each.open.node_id for each in found if each.open}
    named = node_named(session, node, held)
    if named.known is False:
        session.fail(unknown_node(session, named))
    return named.id


async def read_all(session: Session) -> Records:
    """Read the records on all PVs of the driver."""
    from mooring.cluster.record_list import read_records, volumes_of

    session.refuse_malformed_driver()
    api = await session.kubernetes()
    try:
        return await read_records(volumes_of(api, session.driver, utc_now))
    finally:
        await api.close()


def _wanted(volume: VolumeForm, node: str, attached: bool | None) -> bool:
    return (not node or volume.concerns(node)) and attached in (None, volume.taken)


def _print(volumes: list[VolumeForm], output: str, *, alone: bool) -> None:
    if output == "name":
        print_lines(map(_name, volumes))
    elif output in ("json", "yaml"):
        print_data(volumes[0] if alone else volumes, output)
    elif volumes or output == "wide":
        _table(volumes, output, looked=not alone)


def _stream(volumes: list[VolumeForm], output: str) -> Callable[[VolumeForm], None]:
    """Print these as the beginning of an endless stream, and return the function that prints the next one."""
    if output in ("table", "wide"):
        table, row = _table(volumes, output, looked=True), _ROWS[output]
        return lambda volume: table.add(row(volume, utc_now(), False))
    show: Callable[[VolumeForm], None] = (
        (lambda volume: print_lines([_name(volume)])) if output == "name" else (lambda volume: print_streamed(volume, output))
    )
    for volume in volumes:
        show(volume)
    return show


def _table(volumes: list[VolumeForm], output: str, *, looked: bool) -> Table:
    """Print a table; `looked`: open operations were looked for."""
    now, row, wide = utc_now(), _ROWS[output], output == "wide"
    return Table(WIDE if wide else HEADERS, [row(volume, now, looked) for volume in volumes], whole=wide)


def _name(volume: VolumeForm) -> str:
    return f"volume/{volume.volume_handle}"


def _short(volume: VolumeForm, now: datetime, looked: bool) -> Row:
    return Row(_cells(volume, lambda since: age(since, now), looked))


def _cells(volume: VolumeForm, show: Callable[[datetime], str], looked: bool) -> list[str]:
    holders, unseen = volume.holders, NONE if looked else UNKNOWN
    return [
        volume.volume_handle,
        _each(held.node_id for held in holders),
        show(holders[0].attached_at) if holders else NONE,
        str(volume.epoch),
        _each(volume.pvs),
        _each(dict.fromkeys(held.access_mode or UNKNOWN for held in holders)),
        volume.open.state if volume.open else unseen,
    ]


def _wide(volume: VolumeForm, now: datetime, looked: bool) -> Row:  # noqa: ARG001 - one of _ROWS
    readonly = _each(dict.fromkeys(str(held.readonly).lower() for held in volume.holders))
    return Row([*_cells(volume, rfc3339, looked), readonly, volume.operation or NONE])


def _each(values: Iterable[str]) -> str:
    return ",".join(values) or NONE


_ROWS: Final[Mapping[str, Callable[[VolumeForm, datetime, bool], Row]]] = {"table": _short, "wide": _wide}

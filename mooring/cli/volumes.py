"""`mooring get` and `list`: the volumes and their holders.

`get` asks a worker, which reads the live PV. `list` reads the PVs itself, so it needs no worker and no Temporal; a volume that is
held while it has no PV yet is not among them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mooring.cli.naming import node_named, unknown_node, volume_named
from mooring.cli.operations import PATIENCE, Kubeconfig, KubeContext, Timeout, Volume
from mooring.cli.output import NONE, UNKNOWN, Named, Row, Table, age, note, print_data, print_lines, print_streamed, rfc3339
from mooring.cli.session import Session
from mooring.errors import VolumeNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mooring.cluster.record_list import Records
    from mooring.models import VolumeStatus

HEADERS: Final = ("VOLUME", "NODE", "ATTACHED", "EPOCH", "PV", "MODE")
WIDE: Final = ("VOLUME", "NODE", "ATTACHED", "EPOCH", "PV", "MODE", "READONLY", "OPERATION")


def get(
    context: typer.Context,
    volume: Volume,
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
    _print([status], output, alone=True)


def list_volumes(
    context: typer.Context,
    node: Annotated[
        str, typer.Option(metavar="NODE", help="Only volumes that this node, or Node, holds.", show_default=False)
    ] = "",
    attached: Annotated[
        bool | None, typer.Option("--attached/--detached", help="Only volumes that some node, or none, holds.", show_default=False)
    ] = None,
    watch: Annotated[
        bool, typer.Option("-w", "--watch", help="After the list, print each volume that changes, until Ctrl-C.")
    ] = False,
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
    output: Named = "table",
) -> None:
    """List the driver's volumes and their holders, as recorded on the PVs."""
    session = Session.of(context, kubeconfig, kube_context)
    records = session.run(lambda: read_all(session), "the list of PersistentVolumes")
    from mooring.cluster.record_list import statuses

    found, errors = statuses(session.driver, records.records)
    errors += records.untranslatable
    node = _holder_named(session, node, found) if node else ""
    wanted = [status for status in found if _wanted(status, node, attached)]
    if watch:
        from mooring.cli.watch import follow

        for error in errors:
            note(f"Error: {error}")
        printer = _stream(wanted, output)
        follow(session, records, lambda status: _wanted(status, node, attached), printer)
    _print(wanted, output, alone=False)
    if not wanted:
        note(f"Driver {session.driver} has no such volumes.")
    if errors:
        session.fail(*errors)


def _holder_named(session: Session, node: str, found: Sequence[VolumeStatus]) -> str:
    """Return the node id of the node with this name, which must be known."""
    named = node_named(session, node, {held.node_id for status in found for held in status.everyone})
    if named.known is False:
        session.fail(unknown_node(session, named))
    return named.id


async def read_all(session: Session) -> Records:
    """Read the records on all PVs of the driver."""
    from mooring.cluster.record_list import read_records, volumes_of

    api = await session.kubernetes()
    try:
        return await read_records(volumes_of(api, session.driver, _now))
    finally:
        await api.close()


def _wanted(status: VolumeStatus, node: str, attached: bool | None) -> bool:
    nodes = [held.node_id for held in status.everyone]
    return (not node or node in nodes) and attached in (None, bool(nodes))


def _print(statuses: list[VolumeStatus], output: str, *, alone: bool) -> None:
    if output == "name":
        print_lines(map(_name, statuses))
    elif output in ("json", "yaml"):
        print_data(statuses[0] if alone else statuses, output)
    elif statuses or output == "wide":
        _table(statuses, output)


def _stream(statuses: list[VolumeStatus], output: str) -> Callable[[VolumeStatus], None]:
    """Print these as the beginning of an endless stream, and return the function that prints the next one."""
    if output in ("table", "wide"):
        table, row = _table(statuses, output), _ROWS[output]
        return lambda status: table.add(row(status, _now()))
    show: Callable[[VolumeStatus], None] = (
        (lambda status: print_lines([_name(status)])) if output == "name" else (lambda status: print_streamed(status, output))
    )
    for status in statuses:
        show(status)
    return show


def _table(statuses: list[VolumeStatus], output: str) -> Table:
    now, row, wide = _now(), _ROWS[output], output == "wide"
    return Table(WIDE if wide else HEADERS, [row(status, now) for status in statuses], whole=wide)


def _name(status: VolumeStatus) -> str:
    return f"volume/{status.volume_handle}"


def _short(status: VolumeStatus, now: datetime) -> Row:
    return Row(_cells(status, lambda since: age(since, now)))


def _cells(status: VolumeStatus, show: Callable[[datetime], str]) -> list[str]:
    held_by, record = status.everyone, status.record
    return [
        status.volume_handle,
        _each(held.node_id for held in held_by),
        show(held_by[0].attached_at) if held_by else NONE,
        str(record.epoch if record else 0),
        _each(mark.pv for mark in record.marks) if record else NONE,
        _each(dict.fromkeys(held.access_mode or UNKNOWN for held in held_by)),
    ]


def _wide(status: VolumeStatus, now: datetime) -> Row:  # noqa: ARG001 - one of _ROWS
    readonly = _each(dict.fromkeys(str(held.readonly).lower() for held in status.everyone))
    return Row([*_cells(status, rfc3339), readonly, (status.record and status.record.operation) or NONE])


def _each(values: Iterable[str]) -> str:
    return ",".join(values) or NONE


def _now() -> datetime:
    return datetime.now(UTC)


_ROWS: Final[Mapping[str, Callable[[VolumeStatus, datetime], Row]]] = {"table": _short, "wide": _wide}

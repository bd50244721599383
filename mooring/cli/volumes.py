"""`mooring get` and `list`: who holds what.

`get` asks a worker, who reads the live PV. `list` reads the PVs itself, so it needs no worker and no Temporal; a volume that is
held while it has no PV yet is not among them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mooring.cli.operations import PATIENCE, Timeout, Volume
from mooring.cli.output import NONE, UNKNOWN, Named, Row, age, note, print_data, print_lines, print_table, rfc3339
from mooring.cli.session import Session
from mooring.errors import DuplicateVolume, MalformedRecord, MooringError, VolumeNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mooring.models import Attachment, VolumeStatus
    from mooring.sighting import Sighting

HEADERS: Final = ("VOLUME", "NODE", "ATTACHED", "EPOCH", "PV", "MODE")
WIDE: Final = ("VOLUME", "NODE", "ATTACHED", "EPOCH", "PV", "MODE", "READONLY", "OPERATION")

REQUEST_SECONDS: Final = 10.0
PAGE_SIZE: Final = 500


def get(context: typer.Context, volume: Volume, timeout: Timeout = PATIENCE, output: Named = "table") -> None:
    """Show who holds VOLUME, by its live PV."""
    session = Session.of(context)
    status: VolumeStatus = session.ask(
        lambda client: client.get(volume, deadline=timeout), f"the look at volume {volume}", joined_by="ask again."
    )
    if status.record is None and status.unpersisted is None:
        session.fail(VolumeNotFound(f"Volume {volume} of driver {session.driver} has no PersistentVolume, and nobody holds it."))
    _print([status], output, alone=True)


def list_volumes(
    context: typer.Context,
    node: Annotated[str, typer.Option(help="Only volumes that this node holds.", show_default=False)] = "",
    attached: Annotated[
        bool | None, typer.Option("--attached/--detached", help="Only volumes that some node, or none, holds.", show_default=False)
    ] = None,
    kubeconfig: Annotated[str, typer.Option(envvar="KUBECONFIG", help="Path of a kubeconfig; in a Pod, none.")] = "",
    output: Named = "table",
) -> None:
    """List the driver's volumes and who holds each, by the PVs."""
    session = Session.of(context)
    sightings = session.run(lambda: read_all(session, kubeconfig), "the list of PersistentVolumes")
    statuses, errors = _statuses(session.driver, sightings)
    wanted = [status for status in statuses if _wanted(status, node, attached)]
    _print(wanted, output, alone=False)
    if not wanted:
        note(f"No such volumes of driver {session.driver}.")
    if errors:
        session.fail(*errors)


async def read_all(session: Session, kubeconfig: str) -> list[Sighting]:
    """What every PV of the driver says."""
    from prometheus_client import CollectorRegistry

    from mooring.kubeconfig import connect
    from mooring.metrics import Metrics
    from mooring.volumes import KubernetesVolumes

    api = await connect(kubeconfig or None, session.environ, REQUEST_SECONDS)
    try:
        volumes = KubernetesVolumes(api, session.driver, _now, Metrics(CollectorRegistry()))
        found: list[Sighting] = []
        async for page in volumes.pages(PAGE_SIZE):
            found = [*([] if page.first else found), *page.sightings]
        return found
    finally:
        await api.close()


def _statuses(driver: str, sightings: Sequence[Sighting]) -> tuple[list[VolumeStatus], list[MooringError]]:
    """What can be read, by volume handle, and what is wrong with the rest."""
    from mooring.models import VolumeStatus

    statuses: list[VolumeStatus] = []
    errors: list[MooringError] = []
    claims: dict[str, list[str]] = {}
    for seen in sorted(sightings, key=lambda seen: (seen.handle, seen.pv)):
        claims.setdefault(seen.handle, []).append(seen.pv)
        try:
            statuses.append(VolumeStatus(driver=driver, volume_handle=seen.handle, record=seen.record(), unpersisted=None))
        except MalformedRecord as error:
            errors.append(error)
    return statuses, errors + [error for handle, pvs in claims.items() for error in _duplicates(handle, pvs)]


def _duplicates(handle: str, pvs: list[str]) -> list[MooringError]:
    from mooring.views import refuse_duplicates

    try:
        refuse_duplicates(handle, pvs)
    except DuplicateVolume as error:
        return [error]
    return []


def _wanted(status: VolumeStatus, node: str, attached: bool | None) -> bool:
    nodes = [held.node_id for held in _holders(status)]
    return (not node or node in nodes) and attached in (None, bool(nodes))


def _print(statuses: list[VolumeStatus], output: str, *, alone: bool) -> None:
    if output == "name":
        print_lines(f"volume/{status.volume_handle}" for status in statuses)
    elif output in ("json", "yaml"):
        print_data(statuses[0] if alone else statuses, output)
    elif output == "wide":
        print_table(WIDE, [_wide(status) for status in statuses], whole=True)
    elif statuses:
        now = _now()
        print_table(HEADERS, [Row(_cells(status, lambda since: age(since, now))) for status in statuses], whole=False)


def _cells(status: VolumeStatus, show: Callable[[datetime], str]) -> list[str]:
    holders, record = _holders(status), status.record
    return [
        status.volume_handle,
        _each(held.node_id for held in holders),
        show(holders[0].attached_at) if holders else NONE,
        str(record.epoch if record else 0),
        record.mark.pv if record else NONE,
        _each(dict.fromkeys(held.access_mode or UNKNOWN for held in holders)),
    ]


def _wide(status: VolumeStatus) -> Row:
    readonly = _each(dict.fromkeys(str(held.readonly).lower() for held in _holders(status)))
    return Row([*_cells(status, rfc3339), readonly, (status.record and status.record.operation) or NONE])


def _each(values: Iterable[str]) -> str:
    return ",".join(values) or NONE


def _holders(status: VolumeStatus) -> Sequence[Attachment]:
    waiting = [status.unpersisted] if status.unpersisted else []
    return [*(status.record.holders if status.record else ()), *waiting]


def _now() -> datetime:
    return datetime.now(UTC)

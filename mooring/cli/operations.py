"""`mooring publish`, `unpublish` and `rebuild`: the commands that change something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from mooring.cli.complete_names import complete_nodes, complete_volumes
from mooring.cli.naming import node_named, volume_named
from mooring.cli.output import Text, note, print_data, print_prose, print_result
from mooring.cli.session import Session
from mooring.commands import arguments, code
from mooring.errors import MooringError, VolumeNotFound

if TYPE_CHECKING:
    from mooring.client import MooringClient
    from mooring.cluster.identification import Identified
    from mooring.models import PublishResult, RebuildResult, UnpublishResult

VolumeName = Annotated[
    str,
    typer.Argument(
        metavar="VOLUME",
        help="Volume handle, PV name, pvc/NAMESPACE/NAME or pod/NAMESPACE/NAME.",
        autocompletion=complete_volumes,
        show_default=False,
    ),
]
Node = Annotated[
    str,
    typer.Argument(metavar="NODE", help="CSI node id, or the name of a Node.", autocompletion=complete_nodes, show_default=False),
]
Kubeconfig = Annotated[str, typer.Option(metavar="PATH", envvar="KUBECONFIG", help="Path of a kubeconfig; not needed in a Pod.")]
KubeContext = Annotated[
    str,
    typer.Option("--context", metavar="NAME", help="Context of the kubeconfig; its current one by default.", show_default=False),
]
Timeout = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.1, help="Time to wait for the answer; the operation goes on afterwards.")
]

PATIENCE: Final = 30.0
REBUILD_PATIENCE: Final = 60.0


def _access_modes(incomplete: str) -> list[str]:
    from mooring.models import AccessMode

    return [mode.value for mode in AccessMode if mode.startswith(incomplete.upper())]


def publish(
    context: typer.Context,
    volume: VolumeName,
    node: Node,
    access_mode: Annotated[
        str,
        typer.Option(metavar="MODE", autocompletion=_access_modes, help="CSI access mode, for example MULTI_NODE_MULTI_WRITER."),
    ] = "SINGLE_NODE_WRITER",
    readonly: Annotated[bool, typer.Option("--readonly", help="Publish it read-only.")] = False,
    no_pv: Annotated[
        bool, typer.Option("--no-pv", help="Publish it though no PV has this volume handle: the record waits for one.")
    ] = False,
    timeout: Timeout = PATIENCE,
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
    output: Text = "text",
) -> None:
    """Publish VOLUME to NODE."""
    from mooring.cli.result_forms import PublishedForm

    _refuse_unknown(access_mode)
    session = Session.of(context, kubeconfig, kube_context)
    named, where = volume_named(session, volume), node_named(session, node)
    node_id = where.id
    in_doubt = not (no_pv or named.known)

    async def call(client: MooringClient) -> PublishResult:
        if in_doubt:
            await _refuse_without_pv(client, named.id, node_id, timeout)
        return await client.publish(named.id, node_id, access_mode=access_mode.upper(), readonly=readonly, deadline=timeout)

    what = f"the publish of volume {named.id} to node {node_id}"
    result = session.ask(call, what, joined_by=_joined_by(named.id), needs_worker=in_doubt)
    print_result(result.message, PublishedForm.model_validate(result), output)
    _say_if_unknown(session, where)


def _say_if_unknown(session: Session, node: Identified) -> None:
    if node.known is False:
        note(f"No CSINode or Node of driver {session.driver} is called {node.id}, which was taken for a CSI node id.")


async def _refuse_without_pv(client: MooringClient, volume: str, node_id: str, timeout: float) -> None:
    """Raise VolumeNotFound if a worker finds no PV of the volume."""
    status = await client.get(volume, deadline=timeout)
    if status.record is None:
        raise VolumeNotFound(
            f"No PersistentVolume of driver {status.driver} is called {volume} or has this volume handle, so node {node_id} is not "
            "made its holder. If the PersistentVolume is still to come, add --no-pv."
        )


def unpublish(
    context: typer.Context,
    volume: VolumeName,
    node: Annotated[
        str,
        typer.Argument(
            metavar="NODE",
            help="CSI node id, or the name of a Node; or --all-nodes.",
            autocompletion=complete_nodes,
            show_default=False,
        ),
    ] = "",
    all_nodes: Annotated[bool, typer.Option("--all-nodes", help="Release every node that holds it.")] = False,
    timeout: Timeout = PATIENCE,
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
    output: Text = "text",
) -> None:
    """Unpublish VOLUME from NODE, or from every node."""
    from mooring.cli.result_forms import UnpublishedForm

    if bool(node) == all_nodes:
        raise typer.BadParameter("give either NODE or --all-nodes.")
    session = Session.of(context, kubeconfig, kube_context)
    named, where = volume_named(session, volume), node_named(session, node) if node else None
    node_id = where.id if where else ""
    what = f"the unpublish of volume {named.id} from {f'node {node_id}' if node else 'every node'}"
    result, others = session.ask(
        lambda client: _unpublish(client, named.id, node_id, timeout), what, joined_by=_joined_by(named.id)
    )
    if result.annotation_cleared:
        print_result(result.message, UnpublishedForm.model_validate(result), output)
    else:
        note(f"Warning: {result.message}")
        if output != "text":
            print_data(UnpublishedForm.model_validate(result), output)
    if others:
        note(f"Volume {named.id} is held by {' and '.join(f'node {other}' for other in others)}.")
    if where and not result.released:
        _say_if_unknown(session, where)
    if named.known is False and not (result.released or others):
        session.fail(_unheard_of(session, named.id))


async def _unpublish(client: MooringClient, volume: str, node_id: str, timeout: float) -> tuple[UnpublishResult, list[str]]:
    """Unpublish the volume; return the result and, where the node didn't hold it, those that do, as far as can be told."""
    result = await client.unpublish(volume, node_id, deadline=timeout)
    if result.released or not node_id:
        return result, []
    try:
        status = await client.get(volume, deadline=timeout)
    except MooringError:
        return result, []
    return result, [held.node_id for held in status.everyone]


def _unheard_of(session: Session, volume: str) -> VolumeNotFound:
    return VolumeNotFound(
        f"No PersistentVolume of driver {session.driver} is called {volume} or has this volume handle, and no node was known to "
        "hold it."
    )


def rebuild(context: typer.Context, timeout: Timeout = REBUILD_PATIENCE, output: Text = "text") -> None:
    """Rebuild the index of every worker from the PVs."""
    from mooring.cli.result_forms import RebuiltForm

    session = Session.of(context)
    answers = session.ask(
        lambda client: client.rebuild(deadline=timeout),
        f"the rebuild of driver {session.driver}",
        joined_by="the same command joins it.",
    )
    results: list[RebuildResult] = [answer for answer in answers if not isinstance(answer, MooringError)]
    if output == "text":
        for result in results:
            print_prose(result.message)
    else:
        print_data([RebuiltForm.model_validate(result) for result in results], output)
    errors = [answer for answer in answers if isinstance(answer, MooringError)]
    if errors:
        session.fail(*errors)


def _refuse_unknown(access_mode: str) -> None:
    if access_mode.upper() not in _access_modes(""):
        raise typer.BadParameter(f"{access_mode!r} is not a CSI access mode; choose from {', '.join(_access_modes(''))}.")


def _joined_by(volume: str) -> str:
    return f"the same command joins it, and {code(f'mooring history {arguments(volume)}')} shows it."

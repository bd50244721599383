"""`mooring publish`, `unpublish` and `rebuild`: the commands that change something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from mooring.cli.output import Text, note, print_data, print_lines
from mooring.cli.session import Session
from mooring.commands import arguments, code
from mooring.errors import MooringError

if TYPE_CHECKING:
    from mooring.models import PublishResult, RebuildResult, UnpublishResult

Volume = Annotated[
    str, typer.Argument(metavar="VOLUME", help="Volume handle, as in the PV's spec.csi.volumeHandle.", show_default=False)
]
Node = Annotated[str, typer.Argument(metavar="NODE", help="CSI node id.", show_default=False)]
Kubeconfig = Annotated[str, typer.Option(metavar="PATH", envvar="KUBECONFIG", help="Path of a kubeconfig; not needed in a Pod.")]
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
    volume: Volume,
    node: Node,
    access_mode: Annotated[
        str,
        typer.Option(metavar="MODE", autocompletion=_access_modes, help="CSI access mode, for example MULTI_NODE_MULTI_WRITER."),
    ] = "SINGLE_NODE_WRITER",
    readonly: Annotated[bool, typer.Option("--readonly", help="Publish it read-only.")] = False,
    timeout: Timeout = PATIENCE,
    output: Text = "text",
) -> None:
    """Publish VOLUME to NODE."""
    what = f"the publish of volume {volume} to node {node}"
    _refuse_unknown(access_mode)
    result: PublishResult = Session.of(context).ask(
        lambda client: client.publish(volume, node, access_mode=access_mode.upper(), readonly=readonly, deadline=timeout),
        what,
        joined_by=_joined_by(volume),
    )
    _show(result, output)


def unpublish(
    context: typer.Context,
    volume: Volume,
    node: Annotated[str, typer.Argument(metavar="NODE", help="CSI node id; or --all-nodes.", show_default=False)] = "",
    all_nodes: Annotated[bool, typer.Option("--all-nodes", help="Release every node that holds it.")] = False,
    timeout: Timeout = PATIENCE,
    output: Text = "text",
) -> None:
    """Unpublish VOLUME from NODE, or from every node."""
    if bool(node) == all_nodes:
        raise typer.BadParameter("give either NODE or --all-nodes.")
    what = f"the unpublish of volume {volume} from {f'node {node}' if node else 'every node'}"
    result: UnpublishResult = Session.of(context).ask(
        lambda client: client.unpublish(volume, node, deadline=timeout), what, joined_by=_joined_by(volume)
    )
    if result.annotation_cleared:
        _show(result, output)
        return
    note(f"Warning: {result.message}")
    if output != "text":
        print_data(result, output)


def rebuild(context: typer.Context, timeout: Timeout = REBUILD_PATIENCE, output: Text = "text") -> None:
    """Rebuild the index of every worker from the PVs."""
    session = Session.of(context)
    answers = session.ask(
        lambda client: client.rebuild(deadline=timeout),
        f"the rebuild of driver {session.driver}",
        joined_by="the same command joins it.",
    )
    results: list[RebuildResult] = [answer for answer in answers if not isinstance(answer, MooringError)]
    if output == "text":
        print_lines(result.message for result in results)
    else:
        print_data(results, output)
    errors = [answer for answer in answers if isinstance(answer, MooringError)]
    if errors:
        session.fail(*errors)


def _refuse_unknown(access_mode: str) -> None:
    if access_mode.upper() not in _access_modes(""):
        raise typer.BadParameter(f"{access_mode!r} is not a CSI access mode; choose from {', '.join(_access_modes(''))}.")


def _joined_by(volume: str) -> str:
    return f"the same command joins it, and {code(f'mooring history {arguments(volume)}')} shows it."


def _show(result: PublishResult | UnpublishResult, output: str) -> None:
    if output == "text":
        print_lines([result.message])
    else:
        print_data(result, output)

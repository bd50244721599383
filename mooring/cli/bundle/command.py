"""`mooring bundle`: all that helps others to look into a fault, in one archive, without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mooring.cli.complete_names import complete_volumes
from mooring.cli.exit_codes import ExitCode
from mooring.cli.naming import volume_named
from mooring.cli.operations import Kubeconfig, KubeContext
from mooring.cli.output import note, print_lines
from mooring.cli.session import Session
from mooring.process.clock import utc_now

if TYPE_CHECKING:
    from mooring.cli.bundle.archive import BundleIndex

SELECTOR: Final = "app.kubernetes.io/name in (mooring, csi-controller)"
"""The labels that the manifests and the chart give the Pods of workers."""


def bundle(
    context: typer.Context,
    volumes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VOLUME",
            help="Volumes to explain beside those with an open operation.",
            autocompletion=complete_volumes,
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="File to write.", show_default="mooring-bundle-TIME.tar.gz"),
    ] = None,
    worker_namespace: Annotated[
        str, typer.Option(metavar="NAMESPACE", help="Namespace of the workers' Pods; every one by default.", show_default=False)
    ] = "",
    worker_selector: Annotated[
        str, typer.Option(metavar="LABELS", help="Labels of the workers' Pods.", show_default="those of the manifests")
    ] = SELECTOR,
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
) -> None:
    """Write an archive of all that helps to look into a fault.

    There are no secrets in it. It has check, list, explain and the histories of what is open or stuck, the workers' logs, metrics
    and readiness, settings and versions. What can't be had is named, and fails nothing. Handles, node ids and publish contexts
    are in it.
    """
    session = Session.of(context, kubeconfig, kube_context)
    handles = [volume_named(session, volume).id for volume in volumes or ()]
    now = utc_now()
    folder = f"mooring-bundle-{now:%Y%m%dT%H%M%SZ}"
    file = output or Path(f"{folder}.tar.gz")
    _create(file)
    index = session.run(lambda: _write(session, file, folder, now, handles, worker_namespace, worker_selector), "the bundle")
    for each in index.missing:
        note(f"Not in it: {each.what[:1].lower()}{each.what[1:]}: {each.reason}")
    note("It has no secrets, but handles, node ids and names of your cluster. Look through it before you hand it on.")
    print_lines([str(file)])


def _create(file: Path) -> None:
    """Create the file, for its owner alone; one that is there already ends the command."""
    try:
        file.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        note(f"Error: {file} can't be created: {why}. Name another file with -o.")
        raise typer.Exit(ExitCode.USAGE) from None


async def _write(
    session: Session, file: Path, folder: str, now: datetime, handles: Sequence[str], namespace: str, selector: str
) -> BundleIndex:
    import tarfile

    from mooring.cli.bundle.archive import Archive
    from mooring.cli.bundle.parts import gather
    from mooring.cli.bundle.redaction import Redaction

    with tarfile.open(file, mode="w:gz") as tar:
        archive = Archive(tar, folder, now, Redaction(session.environ))
        await gather(session, archive, handles, namespace, selector)
        return archive.close(session.driver)

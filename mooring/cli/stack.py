"""`mooring up` and `mooring demo`: Temporal and Kubernetes for development, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mooring.cli.exit_codes import ExitCode
from mooring.cli.output import note
from mooring.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

Kind = Literal["auto", "embedded", "real", "kubeconfig"]
Port = Annotated[
    int | None, typer.Option(metavar="PORT", min=0, max=65535, show_default="the usual one, or a free one if that is taken")
]


def up(
    context: typer.Context,
    kubernetes: Annotated[
        Kind,
        typer.Option(help="auto: the cluster of KUBECONFIG; else real, if KUBEBUILDER_ASSETS names its binaries; else embedded."),
    ] = "auto",
    workers: Annotated[int, typer.Option(metavar="N", min=0, max=16, help="Number of workers; 0 to run your own.")] = 1,
    volumes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Number of PersistentVolumes to create; never in the cluster of KUBECONFIG.",
            show_default="a few, and a few Nodes",
        ),
    ] = None,
    temporal_port: Port = None,
    ui_port: Port = None,
    database: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File that keeps Temporal's state; in memory without one.")
    ] = None,
) -> None:
    """Run Temporal, a Kubernetes API and workers, for development.

    They run until Ctrl-C. Temporal has its UI.
    """
    session = Session.of(context)
    _need_the_stack()
    from rich.console import Console

    from mooring.devstack.cluster import ClusterKind
    from mooring.devstack.stack import StackOptions
    from mooring.devstack.up import run_until_told

    options = StackOptions(ClusterKind(kubernetes), workers, volumes, temporal_port, ui_port, database)
    _run(session, run_until_told(options, session.environ, Console(), Console(stderr=True)))


def demo(
    context: typer.Context,
    stay: Annotated[bool, typer.Option("--stay", help="Keep the Temporal UI up afterwards, until Ctrl-C.")] = False,
) -> None:
    """Run the main operations on 1,000 volumes, and check each.

    It takes a real Temporal server and under a minute.
    """
    session = Session.of(context)
    _need_the_stack()
    from rich.console import Console

    from mooring.devstack.demo.play import demo as play_demo

    so = _run(session, play_demo(Console(), session.environ, stay=stay))
    if not so:
        raise typer.Exit(ExitCode.INTERRUPTED if so is None else ExitCode.FAILED)


def _need_the_stack() -> None:
    """End the command, saying what to install, if the extra's packages are missing."""
    try:
        import mooring.devstack  # noqa: F401
    except ImportError as error:
        note(f"Error: {error}")
        raise typer.Exit(ExitCode.USAGE) from None


def _run(session: Session, work: Coroutine[Any, Any, Any]) -> Any:
    import asyncio
    import logging

    from mooring.devstack.process import StackError

    logging.getLogger("mooring").addHandler(logging.NullHandler())  # what is for people is told to them; -v shows the rest
    try:
        return asyncio.run(work)
    except StackError as error:
        for line in error.log:
            note(f"  {line}")
        session.fail(error)

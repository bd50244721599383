"""`mooring`: the commands, and the options that all of them take.

Contract: data goes to standard output, everything else to standard error; an error is one line, `Error: ...`, and a traceback only
with -v. The exit codes are those of exit_codes.py, and `mooring --help` lists them.

NB: every command imports what it needs when it runs: with temporalio, kubernetes, pydantic, rich and asyncio, `--help` and
completion would take a second.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import typer
from typer.completion import completion_init  # type: ignore[attr-defined] # it is there, and in no __all__
from typer.core import TyperGroup

from mooring import __version__
from mooring.cli import operations, stack
from mooring.cli.adopt import adopt
from mooring.cli.approve import approve
from mooring.cli.bundle.command import bundle
from mooring.cli.check import check
from mooring.cli.completion import completion
from mooring.cli.drift import drift
from mooring.cli.evacuate import evacuate
from mooring.cli.exit_codes import ExitCode, epilog
from mooring.cli.explain import explain
from mooring.cli.help import Command
from mooring.cli.history import history
from mooring.cli.output import note, output_failed
from mooring.cli.session import Session
from mooring.cli.volumes import get, list_volumes
from mooring.process.exits import exit_process

logger = logging.getLogger(__name__)


class Commands(TyperGroup):
    """The commands. A value that one doesn't take is refused in Mooring's words, not in pydantic's."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override] # typer's own
        """Run the command."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = _in_words(error)
            raise


def _in_words(error: typer.BadParameter) -> str:
    from pydantic import ValidationError

    from mooring.models.faults import rule

    cause = error.__cause__
    return "; ".join(map(rule, cause.errors())) if isinstance(cause, ValidationError) else error.message


app = typer.Typer(
    name="mooring",
    cls=Commands,
    help="Attach CSI volumes to nodes as durable Temporal workflows, and see who holds what.",
    epilog=epilog(),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mooring {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    driver: Annotated[
        str | None, typer.Option(metavar="NAME", envvar="MOORING_DRIVER", help="CSI driver name; rds.csi.srvlab.io by default.")
    ] = None,
    task_queue: Annotated[
        str | None,
        typer.Option(
            metavar="QUEUE", envvar="MOORING_TASK_QUEUE", help="Temporal task queue; `mooring-` and the driver name by default."
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", envvar="TEMPORAL_ADDRESS", help="host:port of the Temporal server.")
    ] = None,
    namespace: Annotated[str | None, typer.Option(metavar="NAME", envvar="TEMPORAL_NAMESPACE", help="Temporal namespace.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log to standard error; show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,  # noqa: ARG001
) -> None:
    """Take the options of all commands; the other TEMPORAL_* variables and the Temporal CLI's profiles count as well."""
    if verbose:
        from mooring.process.logs import log_to_stderr

        log_to_stderr(logging.DEBUG, "json" if _logs_json(os.environ) else "text")
    given = {
        "MOORING_DRIVER": driver,
        "MOORING_TASK_QUEUE": task_queue,
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_NAMESPACE": namespace,
    }
    context.obj = Session({**os.environ, **{name: value for name, value in given.items() if value}}, verbose=verbose)


@app.command(cls=Command)
def worker(context: typer.Context) -> None:
    """Run a worker until SIGTERM, configured by MOORING_* variables."""
    _run_worker(Session.of(context))


def _logs_json(environ: Mapping[str, str]) -> bool:
    return environ.get("MOORING_LOG_FORMAT") == "json"


def _run_worker(session: Session, **also: str) -> NoReturn:
    from mooring.process.worker_files import import_worker_files

    # NB: gRPC's core writes lines of its own to standard error; its calls report the same errors.
    silent = {"GRPC_VERBOSITY": "NONE"} if _logs_json(session.environ) else {}
    os.environ.update({**silent, **session.environ, **also})
    import_worker_files()
    from worker import main as run_worker

    run_worker()


@app.command(cls=Command)
def csi(
    context: typer.Context,
    endpoint: Annotated[
        str, typer.Option(metavar="SOCKET", envvar="MOORING_CSI_ENDPOINT", help="Socket to serve, unix:///path.")
    ] = "unix:///csi/csi.sock",
    driver_endpoint: Annotated[
        str, typer.Option(metavar="SOCKET", envvar="MOORING_DRIVER_ENDPOINT", help="CSI driver behind the endpoint, unix:///path.")
    ] = "",
    only: Annotated[
        bool,
        typer.Option(
            "--only", envvar="MOORING_CSI_ONLY", help="Serve the endpoint alone; workers elsewhere carry out the operations."
        ),
    ] = False,
) -> None:
    """Run a worker that also serves the CSI endpoint, until SIGTERM.

    MOORING_* variables configure it, as they do every worker.
    """
    session = Session.of(context)
    _run_worker(session, MOORING_CSI_ENDPOINT=endpoint, MOORING_DRIVER_ENDPOINT=driver_endpoint, MOORING_CSI_ONLY=str(only))


app.command(cls=Command)(operations.publish)
app.command(cls=Command)(operations.unpublish)
app.command(cls=Command)(get)
app.command("list", cls=Command)(list_volumes)
app.command(cls=Command)(explain)
app.command(cls=Command)(history)
app.command(cls=Command)(operations.rebuild)
app.command(cls=Command)(adopt)
app.command(cls=Command)(check)
app.command(cls=Command)(bundle)
app.command(cls=Command)(drift)
app.command(cls=Command)(approve)
app.command(cls=Command)(evacuate)
app.command(cls=Command)(stack.up)
app.command(cls=Command)(stack.demo)
app.command(cls=Command)(completion)


def main() -> NoReturn:
    """Run the command that the arguments name, and exit the process."""
    code: object = ExitCode.OK
    completion_init()  # NB: typer does it itself only where it adds its own options for the scripts
    try:
        app(prog_name="mooring")
    except SystemExit as ended:
        code = ended.code
    except OSError as error:
        if not output_failed(error):
            raise
        logger.debug("The output can't be written.", exc_info=error)  # NB: shown with -v alone
        note(f"Error: The output can't be written: {error.strerror}.")
        code = ExitCode.FAILED
    exit_process(code if isinstance(code, int) else ExitCode.FAILED)

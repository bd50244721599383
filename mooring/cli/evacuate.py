"""`mooring evacuate`: have a dead node's volumes released, and follow the progress.

The evacuation is Temporal's: the command starts it, or joins the open one, and may exit at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mooring.cli.approve import read_approval
from mooring.cli.exit_codes import ExitCode
from mooring.cli.naming import node_named, unknown_node
from mooring.cli.operations import Kubeconfig, KubeContext, Node
from mooring.cli.output import Text, note, print_result
from mooring.cli.session import Session
from mooring.cli.volumes import read_all
from mooring.errors import InvalidRequest, NothingToApprove
from mooring.process.plain import plain
from mooring.process.words import counted

if TYPE_CHECKING:
    from rich.console import Console
    from temporalio.client import Client

    from mooring.evacuation.client import Evacuation
    from mooring.models import Approval
    from mooring.models.evacuation import EvacuateRequest, EvacuationProgress, EvacuationResult, EvacuationStarted

GLANCE_SECONDS: Final = 0.5
SEARCH_SECONDS: Final = 15.0
QUERY_AT_MOST: Final = timedelta(seconds=5)

Show = Callable[["EvacuationProgress"], None]


def evacuate(
    context: typer.Context,
    node: Node,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end, or only start it.")] = True,
    approve: Annotated[bool, typer.Option("--approve", help="Confirm that the node is off; needs --reason.")] = False,
    by: Annotated[
        str, typer.Option(metavar="NAME", envvar="USER", help="Name of the user who asks, and approves.", show_default="$USER")
    ] = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Reason for the approval.", show_default=False)] = "",
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
    output: Text = "text",
) -> None:
    """Release all volumes of NODE once the node is proven dead."""
    if bool(reason) != approve:
        raise typer.BadParameter("--approve and --reason go together: an approval needs a reason.")
    session = Session.of(context, kubeconfig, kube_context)
    approval = _approval(session, by, reason) if reason else None
    node = _known(session, node)
    interrupted = f"Interrupted. The evacuation of node {node} goes on if it had begun; the same command joins it."
    what = f"the evacuation of node {node}"
    result = session.run(lambda: _evacuate(session, node, by, approval, wait=wait), what, interrupted, streams=True)
    _end(result, node, output)


def _approval(session: Session, by: str, reason: str) -> Approval:
    try:
        return read_approval(by, reason)
    except InvalidRequest as error:
        session.fail(error)


def _known(session: Session, name: str) -> str:
    """Return the node id of the node with this name; end the command if neither the cluster nor Temporal knows it."""
    named = node_named(session, name)
    if named.known is False and not session.run(lambda: _is_heard_of(session, named.id), f"the search for node {name}"):
        session.fail(unknown_node(session, named))
    return named.id


async def _is_heard_of(session: Session, node_id: str) -> bool:
    """Return whether a record or a run names the node, which is assumed where it can't be told."""
    from mooring.cluster.record_list import statuses
    from mooring.temporal import runs
    from mooring.temporal.visibility import RunVisibility

    found, unreadable = statuses(session.driver, (await read_all(session)).records)
    if unreadable or node_id in {held.node_id for status in found for held in status.everyone}:
        return True
    temporal = await session.temporal()
    async with runs.deadline(SEARCH_SECONDS, f"The search for runs of node {node_id}"):
        return await RunVisibility(temporal, session.driver, search_attributes=True).has_heard_of(node_id)


async def _evacuate(
    session: Session, node: str, by: str, approval: Approval | None, *, wait: bool
) -> EvacuationResult | EvacuationStarted:
    """Start the evacuation or join it, and with `wait` follow it to its result."""
    from mooring.evacuation.client import approve, start_evacuation
    from mooring.models.evacuation import EvacuationStarted

    asked = _request(session.driver, node, by)
    client = await session.temporal()
    handle = await start_evacuation(client, session.task_queue, asked)
    if approval is not None:
        try:
            note(await approve(handle, approval))
        except NothingToApprove as error:
            note(str(error))
    return await _follow(session, client, handle) if wait else EvacuationStarted(workflow_id=handle.id)


def _request(driver: str, node: str, by: str) -> EvacuateRequest:
    from pydantic import ValidationError

    from mooring.models import faults
    from mooring.models.evacuation import EvacuateRequest

    try:
        return EvacuateRequest(driver=driver, node_id=node, asked_by=by)
    except ValidationError as error:
        raise InvalidRequest(f"The request to evacuate node {node!r} is malformed ({faults(error)}).") from None


async def _follow(session: Session, client: Client, evacuation: Evacuation) -> EvacuationResult:
    import asyncio

    from mooring.temporal import runs

    ending = asyncio.ensure_future(runs.answer(evacuation, f"The evacuation {evacuation.id}"))
    try:
        with _showing() as show:
            while not ending.done():
                show(await _progress(session, client, evacuation))
                await asyncio.wait([ending], timeout=GLANCE_SECONDS)
            show(await _progress(session, client, evacuation))
        return await ending
    finally:
        ending.cancel()


async def _progress(session: Session, client: Client, evacuation: Evacuation) -> EvacuationProgress:
    import asyncio

    from temporalio.service import RPCError

    from mooring import names
    from mooring.models.evacuation import EvacuationProgress
    from mooring.temporal import queues

    while True:
        try:
            asked = evacuation.query(names.PROGRESS, result_type=EvacuationProgress, rpc_timeout=QUERY_AT_MOST)
            progress: EvacuationProgress = await asked
        except RPCError as error:
            if unavailable := await queues.unavailable(client, session.task_queue, f", so {evacuation.id} waits for one"):
                raise unavailable from error
        else:
            return progress
        await asyncio.sleep(GLANCE_SECONDS)


@contextmanager
def _showing() -> Iterator[Show]:
    """Show the progress as a bar on a terminal, or else as a line whenever there is something new."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console) as show:
            yield show
        return
    told = ""

    def show_line(progress: EvacuationProgress) -> None:
        nonlocal told
        line = progress.waits_for or _words(progress)
        if line != told:
            note(line)
        told = line

    yield show_line


@contextmanager
def _bar(console: Console) -> Iterator[Show]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), console=console) as bars:
        task, told = bars.add_task("", total=None), ""

        def show(progress: EvacuationProgress) -> None:
            nonlocal told
            if progress.waits_for != told:
                told = progress.waits_for
                console.print(plain(told), markup=False, highlight=False)
            total = None if progress.waits_for else progress.total
            description = "waits for proof" if progress.waits_for else _words(progress)
            bars.update(task, total=total, completed=progress.released, description=plain(description))

        yield show


def _words(progress: EvacuationProgress) -> str:
    if not progress.evidence:
        return "checking the node"
    done = f"{progress.released} of {counted(progress.total, 'volume')} released"
    if not progress.failed:
        return done
    volume, why = next(iter(progress.failed.items()))
    return f"{done}, {progress.failing} failed so far ({volume}: {why})"


def _end(result: EvacuationResult | EvacuationStarted, node: str, output: str) -> None:
    """Print the result, and fail if the node still holds a volume, or may."""
    from mooring.cli.result_forms import EvacuationForm, EvacuationStartedForm
    from mooring.models.evacuation import EvacuationStarted

    if isinstance(result, EvacuationStarted):
        begun = f"The evacuation of node {node} is under way: the same command with --wait follows it."
        print_result(begun, EvacuationStartedForm.model_validate(result), output)
        return
    print_result(result.message, EvacuationForm.model_validate(result), output)
    if result.left or result.departed:
        raise typer.Exit(ExitCode.FAILED)

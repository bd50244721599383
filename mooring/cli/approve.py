"""`mooring approve`: an operator's approval that a waiting run may go on. It remains in the run's history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mooring.cli.complete_names import complete_waiting
from mooring.cli.naming import node_named
from mooring.cli.operations import Kubeconfig, KubeContext
from mooring.cli.output import print_prose
from mooring.cli.session import Session

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from mooring.models import Approval

PATIENCE: Final = 30.0
RECONCILE: Final = "reconcile"
EVACUATE: Final = "evacuate/"


def approve(
    context: typer.Context,
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="`reconcile`, or `evacuate/NODE`.", autocompletion=complete_waiting, show_default=False),
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Reason for the approval.", show_default=False)],
    by: Annotated[str, typer.Option(metavar="NAME", envvar="USER", help="Name of the approver.", show_default="$USER")] = "",
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
) -> None:
    """Approve RUN: heals, or the release of a dead node's volumes.

    The heals are those that the drift guard holds back.
    """
    session = Session.of(context, kubeconfig, kube_context)
    if _is_evacuation(run):
        run = f"{EVACUATE}{node_named(session, run.removeprefix(EVACUATE)).id}"
    answer = session.run(lambda: _approve(session, run, by, reason), f"the approval of {run} of driver {session.driver}")
    print_prose(answer)


async def _approve(session: Session, run: str, by: str, reason: str) -> str:
    from mooring.errors import InvalidRequest
    from mooring.evacuation.client import approve
    from mooring.temporal import runs

    if run != RECONCILE and not _is_evacuation(run):
        raise InvalidRequest(f"RUN is {run!r}, but only `reconcile` and `evacuate/NODE` wait for an approval.")
    approval = read_approval(by, reason)
    client = await session.temporal()
    async with runs.deadline(PATIENCE, f"The approval of {run}"):
        return await approve(await _find(client, session.driver, run), approval)


def _is_evacuation(run: str) -> bool:
    return run.startswith(EVACUATE) and run != EVACUATE


def read_approval(by: str, reason: str) -> Approval:
    """Return the operator's approval; raise InvalidRequest if a part of it is missing."""
    from pydantic import ValidationError

    from mooring.errors import InvalidRequest
    from mooring.models import Approval, faults

    if not by:
        raise InvalidRequest("The approval names nobody: name the approver with --by.")
    try:
        return Approval(by=by, reason=reason)
    except ValidationError as error:
        raise InvalidRequest(f"The approval is malformed ({faults(error)}).") from None


async def _find(client: Client, driver: str, run: str) -> WorkflowHandle[Any, Any]:
    from mooring.errors import NothingToApprove
    from mooring.evacuation.client import evacuation_of
    from mooring.reconciliation.report import running

    if _is_evacuation(run):
        return evacuation_of(client, driver, run.removeprefix(EVACUATE))
    found = await running(client, driver)
    if found is None:
        raise NothingToApprove(f"No reconciliation of driver {driver} is under way.")
    return client.get_workflow_handle(found.workflow_id, run_id=found.run_id)

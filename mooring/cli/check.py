"""`mooring check`: checks of everything that Mooring needs, each with the fix if it fails."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mooring.cli.exit_codes import ExitCode
from mooring.cli.operations import Kubeconfig, KubeContext
from mooring.cli.output import Text, filled, note, print_data, print_lines, print_prose
from mooring.cli.session import Session
from mooring.process.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mooring.checks.results import Check, CheckReport
    from mooring.checks.rights import Account

MARKS: Final = {"ok": "√", "warning": "‼", "failed": "×", "skipped": "-"}  # noqa: RUF001 - meant to be seen
_INDENT: Final = "    "
STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}


def check(
    context: typer.Context,
    account: Annotated[
        str,
        typer.Option(metavar="NAMESPACE:NAME", help="Check the rights of this ServiceAccount, not your own.", show_default=False),
    ] = "",
    csi_endpoint: Annotated[
        str,
        typer.Option(
            metavar="SOCKET", envvar="MOORING_CSI_ENDPOINT", help="Socket of the CSI endpoint, unix:///path.", show_default=False
        ),
    ] = "",
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
    output: Text = "text",
) -> None:
    """Check that Mooring has all it needs, and how to mend it.

    It asks for Temporal, Kubernetes and the rights there, sound records, workers and the CSI endpoint, and changes nothing. A
    warning is not a failure.
    """
    session = Session.of(context, kubeconfig, kube_context)
    whose = _account(account)
    report = session.run(lambda: run_checks(session, csi_endpoint, whose), "the check")
    if output == "text":
        _print(report.checks)
    else:
        from mooring.cli.report_forms import ChecksForm

        print_data(ChecksForm.model_validate(report), output)
    if not report.ok:
        raise typer.Exit(ExitCode.FAILED)


def _account(text: str) -> Account | None:
    from mooring.checks.rights import Account

    try:
        return Account.of(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(f"{error}, for example mooring:mooring.") from None


async def run_checks(session: Session, csi_endpoint: str, account: Account | None) -> CheckReport:
    """Put all questions."""
    from mooring.checks.runner import Asked, check_everything

    settings = {"driver": session.driver, "task_queue": session.task_queue, "csi_endpoint": csi_endpoint}
    asked = Asked(
        session.driver, session.task_queue, session.temporal, session.kubernetes, csi_endpoint, account, settings, session.environ
    )
    return await check_everything(asked)


def _print(checks: Sequence[Check]) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True)
    marks = MARKS if console.is_terminal and _prints("".join(MARKS.values())) else {name: name.ljust(7) for name in MARKS}
    for number, (group, members) in enumerate(groupby(checks, key=lambda each: each.group)):
        console.out(("\n" if number else "") + group, style="bold", highlight=False)
        for each in members:
            why = f" ({each.cause})" if each.result == "skipped" else ""
            mark = f"{marks[each.result]} "
            said = filled(each.description + why, sys.stdout, mark, " " * len(mark))
            console.out(said, style=STYLES[each.result], highlight=False)
            _print_reasons(each)
    counts = Counter(each.result.value for each in checks)
    note(f"{counted(len(checks), 'check')}: {', '.join(f'{counts[name]} {name}' for name in MARKS if counts[name])}.")


def _print_reasons(each: Check) -> None:
    if each.result in ("ok", "skipped"):
        return
    print_prose(each.cause, _INDENT, _INDENT)
    print_prose(each.fix or "run this:", f"{_INDENT}fix: ", f"{_INDENT}     ")
    print_lines([*([f"{_INDENT}     {each.command}"] if each.command else []), f"{_INDENT}see: {each.link}"])


def _prints(text: str) -> bool:
    """Return whether standard output's encoding has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True

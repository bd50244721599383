"""`mooring adopt`: list attachments that are not recorded yet, and have them recorded.

The command reads the cluster itself, so `--dry-run` needs no worker; it asks Temporal only about volumes whose record was written
before, and does without. Workers do the same when they start.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mooring.cli.operations import Kubeconfig, KubeContext, Timeout
from mooring.cli.output import NONE, UNKNOWN, Listing, Row, note, print_data, print_table
from mooring.cli.session import Session
from mooring.cli.volumes import read_all
from mooring.errors import Disputed, MooringError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from mooring.adoption.survey import Surveyed
    from mooring.client import MooringClient
    from mooring.models.adoption import Finding

HEADERS: Final = ("VOLUME", "NODE", "VERDICT", "PV", "VOLUMEATTACHMENT")
WIDE: Final = (*HEADERS, "PUBLISH", "WHY")
PATIENCE: Final = 60.0
UNDONE: Final = ("failed", "retried")
LEFT_OVER: Final = "freed"
"""A verdict that is no failure of the command."""


def adopt(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
    timeout: Timeout = PATIENCE,
    output: Listing = "table",
) -> None:
    """Record volumes that are attached, and have no record of it.

    VolumeAttachments show which are attached.
    """
    session = Session.of(context, kubeconfig, kube_context)
    surveyed = session.run(lambda: _survey(session), "the survey of VolumeAttachments")
    findings = surveyed.findings
    if not dry_run and findings:
        findings = session.ask(
            lambda client: _carry_out(client, surveyed, timeout),
            f"the adoption of volumes of driver {session.driver}",
            joined_by="the same command joins it.",
        )
    _print(findings, output)
    note(f"Attached and recorded already: {surveyed.recorded}. Attached and not recorded: {len(findings)}.")
    _end(session, findings, dry_run=dry_run)


async def _survey(session: Session) -> Surveyed:
    from mooring.adoption.detachments import LateDetachments
    from mooring.adoption.survey import Survey
    from mooring.cluster.volume_attachments import ClusterAttachments
    from mooring.index.manager import AttachmentManager
    from mooring.kubernetes.connection import CLOCK

    manager = AttachmentManager()
    manager.replace_all((await read_all(session)).records)
    api = await session.kubernetes()
    try:
        attachments = ClusterAttachments(api, session.driver, CLOCK.now)
        return await Survey(attachments, manager, LateDetachments(session.temporal, session.clock_skew, CLOCK.now)).look()
    finally:
        await api.close()


def _carry_out(client: MooringClient, surveyed: Surveyed, timeout: float) -> Awaitable[list[Finding]]:
    from mooring.adoption.adopter import carry_out

    return carry_out(surveyed.findings, partial(client.adopt, deadline=timeout))


def _print(findings: Sequence[Finding], output: str) -> None:
    from mooring.cli.result_forms import FindingForm

    if output in ("json", "yaml"):
        print_data([FindingForm.model_validate(finding) for finding in findings], output)
    elif findings:
        wide = output == "wide"
        print_table(WIDE if wide else HEADERS, [Row(_cells(finding, wide=wide)) for finding in findings], whole=wide)


def _cells(finding: Finding, *, wide: bool) -> list[str]:
    volume, node = finding.volume_handle or UNKNOWN, finding.node_id or f"{UNKNOWN} ({finding.node})"
    cells = [volume, node, finding.verdict, finding.pv or NONE, finding.volume_attachment]
    return [*cells, "refused" if finding.publish_refused else "admitted", finding.why or NONE] if wide else cells


def _end(session: Session, findings: Sequence[Finding], *, dry_run: bool) -> None:
    """List what is in doubt, and fail for it unless the command was only to look."""
    for finding in findings:
        if finding.verdict == LEFT_OVER:
            note(finding.why)
    doubts = [finding for finding in findings if finding.why and finding.verdict != LEFT_OVER]
    reasons = dict.fromkeys((finding.why, finding.verdict in UNDONE) for finding in doubts)
    if dry_run or not reasons:
        for why, _ in reasons:
            note(why)
        return
    failures = [MooringError(why) for why, undone in reasons if undone]
    session.fail(*failures, *(Disputed(why) for why, undone in reasons if not undone))

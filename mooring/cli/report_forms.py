"""The forms in which `history`, `check` and `drift` hand their results to programs, as forms.py has it.

Not kept here: tables for people (history.py, check.py, drift.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from mooring.cli.forms import Form

if TYPE_CHECKING:
    from mooring.models.reconciliation import Progress
    from mooring.reconciliation.report import ReconciliationReport


class OperationForm(Form):
    """A run of a volume's workflows. `ended_at` is None while it is open; `node_id` is "" for every node.

    `operation`: publish, unpublish, adopt, or persist (it held the volume until there was a PV). `state`: the AttachmentState that
    it reached, or how it ended. `held_by`: the nodes that held the volume as far as it knew, None if it had not looked.
    `failure`: the failure type, "" for none, and `message` in words; of an open run, those of the step that it waits for.
    `cause`: the reason why a publish is or was rolled back, "" if none is known.
    """

    form: Literal["mooring.operation/v1"] = "mooring.operation/v1"
    operation: str
    node_id: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    held_by: tuple[str, ...] | None
    epoch: int | None
    failure: str
    message: str
    cause: str
    workflow_id: str
    run_id: str


class CheckForm(Form):
    """One check. `result`: ok, warning, failed or skipped; `cause`, `fix` and `command`, for a shell, are "" for none."""

    group: str
    id: str
    description: str
    result: str
    cause: str
    fix: str
    command: str
    link: str


class ChecksForm(Form):
    """All checks. `ok`: none failed."""

    form: Literal["mooring.check/v1"] = "mooring.check/v1"
    ok: bool
    checks: tuple[CheckForm, ...]


class DifferenceForm(Form):
    """A difference. What there is none of to name is "", and `since`, from when on the node has the volume, None if unknown.

    `outcome`: left, healed, begun (elsewhere), refused (things had moved on) or failed; `heal`: its remedy, "" if it needs an
    operator, whom `advice` is for; `said`: the message of the heal.
    """

    kind: str
    volume_handle: str
    node_id: str
    epoch: int
    pv: str
    volume_attachment: str
    since: datetime | None
    why: str
    heal: str
    outcome: str
    said: str
    advice: str


class DriftForm(Form):
    """The last reconciliation that has completed: `ended_at` is None, and `state` "", if there is none.

    `counts` and `left`: differences, and those that remain, by kind; `differences` has at most 200 in full. `compared`: the
    number of PVs; `not_compared`: the sources that could not be asked, with the reasons. `failed`: the reason why a newer
    reconciliation did not complete, "" for none. `running`: the workflow id of the open one, "" for none; `awaits_approval`: it
    waits for one, for `due` heals. Of the Schedule: `interval`, in seconds; `paused`: the note of who paused it, None if nobody
    did. `task_queue` and `running_queue` are those of the Schedule and of the open reconciliation.
    """

    form: Literal["mooring.drift/v1"] = "mooring.drift/v1"
    driver: str
    state: str
    message: str
    ended_at: datetime | None
    compared: int
    not_compared: tuple[str, ...]
    counts: dict[str, int]
    left: dict[str, int]
    differences: tuple[DifferenceForm, ...]
    failed: str
    running: str
    running_queue: str
    awaits_approval: bool
    due: int
    task_queue: str
    interval: float
    paused: str | None


def drift(driver: str, report: ReconciliationReport, waiting: Progress | None) -> DriftForm:
    """Return the form of a report; `waiting` is the open reconciliation that waits for an approval."""
    found = report.result
    return DriftForm(
        driver=driver,
        state=found.state if found else "",
        message=found.message if found else "",
        ended_at=report.ended_at,
        compared=found.compared if found else 0,
        not_compared=found.not_compared if found else (),
        counts=found.counts if found else {},
        left=found.left if found else {},
        differences=tuple(map(DifferenceForm.model_validate, found.drifts)) if found else (),
        failed=report.failed,
        running=report.running.workflow_id if report.running else "",
        running_queue=report.running_queue,
        awaits_approval=report.awaits_approval,
        due=waiting.due if waiting else 0,
        task_queue=report.task_queue,
        interval=report.interval,
        paused=report.paused,
    )

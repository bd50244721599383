"""The form in which `explain` hands a volume to programs, as forms.py has it.

Not kept here: the page for people (explain_page.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from mooring.cli.forms import Form, HolderForm, holder
from mooring.cli.report_forms import OperationForm

if TYPE_CHECKING:
    from mooring.explain.facts import Explanation


class PvForm(Form):
    """A PV of the volume. `claim` is namespace/name, "" for none; `problem`: why its record can't be read, "" for none."""

    name: str
    phase: str
    claim: str
    reclaim_policy: str
    access_modes: tuple[str, ...]
    deleting_since: datetime | None
    takes_secrets: bool
    problem: str


class VolumeAttachmentForm(Form):
    """A VolumeAttachment of the volume. `node` is the Node's name, `node_id` None if nothing says it, `error` the last noted."""

    name: str
    node: str
    node_id: str | None
    attached: bool
    since: datetime | None
    deleting_since: datetime | None
    error: str


class NodeForm(Form):
    """A node that the volume is about. `ready`: True, False, Unknown or "", if the Node has no such condition.

    `registered`: a CSINode says that the driver runs there; `guessed`: nothing says what the Node is called.
    """

    name: str
    node_id: str
    exists: bool
    ready: str
    out_of_service: bool
    registered: bool
    guessed: bool


class RelatedForm(Form):
    """An evacuation or migration (`kind`) of `about`, the node id or volume handle. `ended_at` is None while it is open."""

    kind: str
    about: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    workflow_id: str
    run_id: str


class AdviceForm(Form):
    """One thing to do, the most urgent first. `situation` names the rule that advises it; `commands` are for a shell."""

    situation: str
    says: str
    commands: tuple[str, ...]


class ExplanationForm(Form):
    """All that can be known of a volume. `unasked`: the reasons why a source didn't answer, whose part is missing then.

    `holders_known`: `holders` are all that there are; `lost_holders`: those whom the PVs no longer name, but who may still have the
    volume. `epoch` is 0, and `operation`, the run that wrote the record last, "" if there is no record. `pvs`, `nodes` and
    `related` are empty if unknown, `volume_attachments`, `workers` and `waiters` None. `runs`: its operations, newest first;
    `open`: the one under way, None for none. `workers` carry out the steps of operations, from `task_queue`, `waiters` those that
    wait.
    """

    form: Literal["mooring.explanation/v1"] = "mooring.explanation/v1"
    driver: str
    volume_handle: str
    holders: tuple[HolderForm, ...]
    holders_known: bool
    lost_holders: tuple[HolderForm, ...]
    epoch: int
    operation: str
    pvs: tuple[PvForm, ...]
    volume_attachments: tuple[VolumeAttachmentForm, ...] | None
    nodes: tuple[NodeForm, ...]
    open: OperationForm | None
    runs: tuple[OperationForm, ...]
    related: tuple[RelatedForm, ...]
    task_queue: str
    workers: tuple[str, ...] | None
    waiters: tuple[str, ...] | None
    what_to_do: tuple[AdviceForm, ...]
    unasked: tuple[str, ...]


def explanation(explained: Explanation) -> ExplanationForm:
    """Return the form of an explained volume."""
    record, waiting = explained.record, explained.unpersisted
    return ExplanationForm(
        driver=explained.driver,
        volume_handle=explained.volume_handle,
        holders=(*map(holder, explained.holders), *([holder(waiting, waits_for_pv=True)] if waiting else [])),
        holders_known=explained.holders_known,
        lost_holders=tuple(map(holder, explained.lost)),
        epoch=record.epoch if record else 0,
        operation=(record.operation if record else "") or "",
        pvs=tuple(map(PvForm.model_validate, explained.pvs)),
        volume_attachments=_each(explained),
        nodes=tuple(map(NodeForm.model_validate, explained.nodes)),
        open=OperationForm.model_validate(explained.open) if explained.open else None,
        runs=tuple(map(OperationForm.model_validate, explained.runs)),
        related=tuple(map(RelatedForm.model_validate, explained.related)),
        task_queue=explained.task_queue,
        workers=explained.workers,
        waiters=explained.waiters,
        what_to_do=tuple(map(AdviceForm.model_validate, explained.what_to_do)),
        unasked=explained.unasked,
    )


def _each(explained: Explanation) -> tuple[VolumeAttachmentForm, ...] | None:
    found = explained.volume_attachments
    return None if found is None else tuple(map(VolumeAttachmentForm.model_validate, found))

"""The forms in which `list` and `get` hand volumes and open runs to programs; docs/output.schema.json has the schema of all.

Contract: within a version fields are added, and none is removed, renamed or given another meaning. A time is RFC 3339, in UTC.

Not kept here: the forms of other commands (report_forms.py, explain_form.py); tables for people (volumes.py, open_list.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict

from mooring.models import Attachment, Model, VolumeStatus

if TYPE_CHECKING:
    from mooring.temporal.under_way import UnderWay


class Form(Model):
    """The base of all forms: made from an object's attributes, and open to the fields that a later version adds."""

    model_config = ConfigDict(extra="ignore", from_attributes=True, json_schema_serialization_defaults_required=True)


class HolderForm(Form):
    """A node that holds a volume. `access_mode` is "" if unknown; `waits_for_pv`: it is recorded once the volume has a PV."""

    node_id: str
    attached_at: datetime
    access_mode: str
    readonly: bool
    waits_for_pv: bool


class RunForm(Form):
    """A run that is under way. `volume_handle` and `node_id` are "" where it is about none, or about every.

    `kind`: publish, unpublish, adopt, wait (for a PV), evacuation, migration or reconciliation. `stuck`: it has been open for
    longer than an operation can take. `waits_for`: the step that it waits for, and its last failure, "" if unknown.
    """

    form: Literal["mooring.run/v1"] = "mooring.run/v1"
    kind: str
    volume_handle: str
    node_id: str
    state: str
    started_at: datetime
    stuck: bool
    waits_for: str
    workflow_id: str
    run_id: str
    task_queue: str


class VolumeForm(Form):
    """A volume and its holders. `operation` is the run that wrote its record last, "" for none, `epoch` 0 if it has none.

    `open` is the operation that is under way, None if there is none, or where the command doesn't look (`get`, `list --watch`).
    """

    form: Literal["mooring.volume/v1"] = "mooring.volume/v1"
    driver: str
    volume_handle: str
    holders: tuple[HolderForm, ...]
    epoch: int
    pvs: tuple[str, ...]
    operation: str
    open: RunForm | None = None

    def concerns(self, node_id: str) -> bool:
        """Return whether the node holds the volume, or the open operation is about it."""
        return node_id in {held.node_id for held in self.holders} or (self.open is not None and self.open.node_id == node_id)

    @property
    def taken(self) -> bool:
        """True if a node holds it, or may: an operation that may attach it is under way."""
        return bool(self.holders or self.open)


def open_run(run: UnderWay, now: datetime, waits_for: str = "") -> RunForm:
    """Return the form of an open run."""
    return RunForm(
        kind=run.kind,
        volume_handle=run.volume_handle,
        node_id=run.node_id,
        state=run.state,
        started_at=run.started_at,
        stuck=run.is_stuck(now),
        waits_for=waits_for,
        workflow_id=run.workflow_id,
        run_id=run.run_id,
        task_queue=run.task_queue,
    )


def volume(status: VolumeStatus, under_way: RunForm | None = None) -> VolumeForm:
    """Return the form of a volume."""
    record, waiting = status.record, status.unpersisted
    recorded = record.everyone if record else ()
    return VolumeForm(
        driver=status.driver,
        volume_handle=status.volume_handle,
        holders=(*map(holder, recorded), *([holder(waiting, waits_for_pv=True)] if waiting else [])),
        epoch=record.epoch if record else 0,
        pvs=tuple(mark.pv for mark in record.marks) if record else (),
        operation=(record.operation if record else "") or "",
        open=under_way,
    )


def holder(held: Attachment, *, waits_for_pv: bool = False) -> HolderForm:
    """Return the form of a holder."""
    return HolderForm(
        node_id=held.node_id,
        attached_at=held.attached_at,
        access_mode=held.access_mode or "",
        readonly=held.readonly,
        waits_for_pv=waits_for_pv,
    )

"""The forms in which the commands that change something hand their results to programs, as forms.py has it.

Not kept here: the forms of what commands show (forms.py, report_forms.py, explain_form.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from mooring.cli.forms import Form


class PublishedForm(Form):
    """A publish that succeeded.

    `persisted` is false, and `epoch` 0, while the volume has no PV. `reclaimed`: the node held it already.
    """

    form: Literal["mooring.published/v1"] = "mooring.published/v1"
    driver: str
    volume_handle: str
    node_id: str
    publish_context: dict[str, str]
    epoch: int
    attached_at: datetime
    persisted: bool
    reclaimed: bool
    message: str


class UnpublishedForm(Form):
    """An unpublish that is done. `node_id` is "" for every node; `released` are those that held the volume until now.

    `annotation_cleared` is false if the record could not be cleared: the volume remains fenced to its holder, `message` says why.
    """

    form: Literal["mooring.unpublished/v1"] = "mooring.unpublished/v1"
    driver: str
    volume_handle: str
    node_id: str
    released: tuple[str, ...]
    epoch: int
    annotation_cleared: bool
    message: str


class RebuiltForm(Form):
    """A worker's index after a rebuild.

    `volumes`: PVs of the driver, `attached`: those with a holder; `replaced_times`: times that could not be read; `skipped`: PVs
    that are none of the driver's volumes, or can't be read, by reason.
    """

    form: Literal["mooring.rebuilt/v1"] = "mooring.rebuilt/v1"
    worker: str
    volumes: int
    attached: int
    holders: int
    replaced_times: int
    skipped: dict[str, int]
    seconds: float
    message: str


class FindingForm(Form):
    """A VolumeAttachment that is attached and not recorded, with the verdict. `node_id` is null if nothing says it.

    `why` is "" if there is nothing to explain. `publish_refused`: the volume is published to nobody meanwhile.
    """

    form: Literal["mooring.finding/v1"] = "mooring.finding/v1"
    volume_handle: str
    pv: str
    node: str
    node_id: str | None
    volume_attachment: str
    verdict: str
    why: str
    publish_refused: bool


class ApprovalForm(Form):
    """An approval: who gave it, and the reason."""

    by: str
    reason: str


class EvacuationForm(Form):
    """An evacuation that has ended.

    `released` and `left`: the numbers of volumes that it released, and that the node still held. `evidence`: the proof that the
    node is dead, "" if there was none. `departed`: volumes whose PV was deleted while its record named the node.
    """

    form: Literal["mooring.evacuation/v1"] = "mooring.evacuation/v1"
    driver: str
    node_id: str
    node_name: str
    state: str
    asked_by: str
    released: int
    left: int
    departed: tuple[str, ...]
    evidence: str
    approval: ApprovalForm | None
    message: str


class EvacuationStartedForm(Form):
    """An evacuation that has begun, or was under way, and that the command doesn't wait for."""

    form: Literal["mooring.evacuation-started/v1"] = "mooring.evacuation-started/v1"
    workflow_id: str

"""All that can be known of one volume from outside, and the advice about it.

Contract: a fact that could not be read is absent, and `unasked` says so; absence alone means nothing. Times are UTC.

Not kept here: the sources of facts (cluster_facts.py, operation_facts.py), and the conclusions from them (advice.py).
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from mooring import names
from mooring.models import Attachment, Model, VolumeRecord, VolumeRef, VolumeStatus
from mooring.models.adoption import Finding
from mooring.records.copies import merge
from mooring.temporal.pages import run_page
from mooring.temporal.queues import Unserved
from mooring.temporal.run_reader import OPERATIONS, VolumeRun
from mooring.temporal.stuck_tasks import StuckTask

_PERSIST = OPERATIONS[names.PERSIST]


class PvFacts(Model):
    """A PV of the volume. `record` is None if it can't be read, and `problem` says why.

    `claim` is namespace/name of the PersistentVolumeClaim, "" for none. `takes_secrets`: the PV names a Secret for its driver, so
    that only the CO's own calls can have the volume attached and detached.
    """

    name: str
    phase: str
    claim: str
    reclaim_policy: str
    access_modes: tuple[str, ...]
    deleting_since: datetime | None
    record: VolumeRecord | None
    problem: str = ""
    takes_secrets: bool = False


class AttachmentFacts(Model):
    """A VolumeAttachment of one of these PVs. `node` is the Node's name; `error` is the last that external-attacher noted."""

    name: str
    node: str
    node_id: str | None
    attached: bool
    since: datetime | None
    deleting_since: datetime | None
    error: str


class NodeFacts(Model):
    """A node that holds the volume or has a VolumeAttachment of it.

    `ready` is the Ready condition: True, False, Unknown, or "" if the Node has none. `out_of_service`: it bears the taint.
    `registered`: a CSINode says that the driver runs there. `guessed`: nothing says what the Node is called, and none
    is called like the node id.
    """

    name: str
    node_id: str
    exists: bool
    ready: str = ""
    out_of_service: bool = False
    registered: bool = False
    guessed: bool = False


class RelatedRun(Model):
    """A run that is about the volume or a node of it, and not one of its operations. `kind`: evacuation or migration."""

    kind: str
    about: str
    workflow_id: str
    run_id: str
    state: str
    started_at: datetime
    ended_at: datetime | None


class Facts(VolumeRef):
    """The facts about the volume.

    `volume_attachments`, `workers` and `waiters` are None if unknown; `waiters` are those workers that carry out the steps that
    wait for other operations, from a task queue of their own; `task_queue` is that of the others, and of the open operation.
    `unserved` and `unserved_waits`: the reason why none of those that poll the one or the other queue gets its tasks.
    `unpersisted`: the holder of the volume while it has no PV. `vanished`: the volume's record with the evidence beyond its PVs, if
    that names more holders, or a PV was altered; and `unplaced`: by node id the reason why a volume without a PV may be attached
    there (mooring/evidence/evidence.py). `told`: what a worker read, None unless the PVs could not be read and it answered.
    `runs` are its operations, newest first; `stuck` are the open runs, of these and of `related`, whose workflow task keeps
    failing. `ui` is the URL of the Temporal UI, "" if it is unknown.
    """

    pvs: tuple[PvFacts, ...] = ()
    volume_attachments: tuple[AttachmentFacts, ...] | None = None
    nodes: tuple[NodeFacts, ...] = ()
    findings: tuple[Finding, ...] = ()
    unpersisted: Attachment | None = None
    vanished: VolumeRecord | None = None
    unplaced: dict[str, str] = Field(default_factory=dict)
    runs: tuple[VolumeRun, ...] = ()
    related: tuple[RelatedRun, ...] = ()
    stuck: tuple[StuckTask, ...] = ()
    workers: tuple[str, ...] | None = None
    waiters: tuple[str, ...] | None = None
    unserved: Unserved | None = None
    unserved_waits: Unserved | None = None
    task_queue: str = ""
    told: VolumeStatus | None = None
    namespace: str = "default"
    ui: str = Field("", exclude=True)
    unasked: tuple[str, ...] = ()

    @property
    def record(self) -> VolumeRecord | None:
        """The merged record of the PVs, or None if none can be read."""
        readable = [pv.record for pv in self.pvs if pv.record is not None]
        return merge(readable, [pv.problem for pv in self.pvs if pv.problem]) if readable else self._told

    @property
    def _told(self) -> VolumeRecord | None:
        return self.told.record if self.told else None

    @property
    def holders(self) -> tuple[Attachment, ...]:
        """The holders of the volume by its record."""
        return self.record.everyone if self.record else ()

    @property
    def holders_known(self) -> bool:
        """True if the record names all holders: every PV's can be read, or a worker read it."""
        if any(pv.problem for pv in self.pvs):
            return False
        return bool(self.pvs or self.told) or not self.unasked

    @property
    def lost(self) -> tuple[Attachment, ...]:
        """The holders by the evidence beyond the PVs alone, whom neither these nor a VolumeAttachment of theirs name."""
        named = {held.node_id for held in self.holders} | {finding.node_id for finding in self.findings}
        return tuple(held for held in self.vanished.everyone if held.node_id not in named) if self.vanished else ()

    @property
    def open(self) -> VolumeRun | None:
        """The operation that is under way."""
        return next((run for run in self.runs if run.operation != _PERSIST and run.ended_at is None), None)

    @property
    def last(self) -> VolumeRun | None:
        """The operation that ended last, if none is under way."""
        return None if self.open else next((run for run in self.runs if run.operation != _PERSIST), None)

    @property
    def known(self) -> bool:
        """True if there is a trace of the volume."""
        return bool(self.pvs or self.runs or self.unpersisted)

    def page(self, run: VolumeRun) -> str:
        """Return the page of a run in the Temporal UI, a path if its address is unknown."""
        return run_page(self.ui, self.namespace, run.workflow_id, run.run_id)

    def node(self, node_id: str) -> NodeFacts | None:
        """Return the node with this id, or None if there is none."""
        return next((node for node in self.nodes if node.node_id == node_id), None)

    def attachments_on(self, node_id: str) -> list[AttachmentFacts]:
        """Return the VolumeAttachments for the node, by its id or by its Node's name."""
        node = self.node(node_id)
        called = {node_id, node.name if node else node_id}
        return [each for each in self.volume_attachments or () if each.node_id == node_id or each.node in called]


class Advice(Model):
    """One thing to do. `situation` names the rule that advises it; `commands` are for a shell."""

    situation: str
    says: str
    commands: tuple[str, ...] = ()


class Explanation(Facts):
    """The facts, and the advice that follows from them."""

    what_to_do: tuple[Advice, ...]

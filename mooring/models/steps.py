"""Inputs and results of an operation's steps, as workflow, activities and backend exchange them."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from mooring.models.base import Model, added
from mooring.models.operations import PublishRequest
from mooring.models.volumes import AccessMode, AccessType, Attachment, Copy, Precondition, VolumeRecord, VolumeRef


class Part(NamedTuple):
    """The part of a write on one PV, made if that is as the mark says. `beside` are the names of the other PVs it is made on."""

    mark: Precondition
    holders: tuple[Attachment, ...]
    beside: tuple[str, ...]


class Write(Model):
    """One compare-and-set: if the PV still is as `mark` says, its record becomes `holders` at `epoch`, signed `operation`.

    `others`: the changes to the volume's other PVs, one after the other. `node_id` is the node that the operation is about, ""
    for all. `floor`: an epoch of the volume that is known beyond the marks'.
    """

    volume: VolumeRef
    node_id: str = ""
    mark: Precondition
    operation: str
    holders: tuple[Attachment, ...]
    others: tuple[Copy, ...] = added(())
    floor: int = added(0)

    @property
    def epoch(self) -> int:
        """The epoch that it moves the record to, on each PV: above every one that is known of the volume."""
        return max(self.floor, *(mark.epoch or 0 for mark in (self.mark, *(other.mark for other in self.others)))) + 1

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its parts, one for each PV."""
        made = ((self.mark, self.holders), *((other.mark, other.holders) for other in self.others))
        names = [mark.pv for mark, _ in made]
        return tuple(
            Part(mark, self.holders if holders is None else holders, tuple(name for name in names if name != mark.pv))
            for mark, holders in made
        )


class WriteResult(Model):
    """Result of a `Write`: `landed`, on every PV, with the record it made, or not, with the record on the PVs instead (None: there
    is no PV).

    `by` is the run whose attempt it was; `departed` and `unplaced` are those of `ReadResult`.
    """

    landed: bool
    record: VolumeRecord | None
    by: str = ""
    departed: VolumeRecord | None = added(None)
    unplaced: dict[str, str] = added({})


class OperationLimits(Model):
    """The worker's settings that an operation runs under, in seconds. They enter the history with the first look at the volume."""

    attempt_timeout: float
    heartbeat_timeout: float
    publish_budget: float
    clear_budget: float
    backend_timeout: float
    backend_budget: float
    retry_interval_max: float
    conflicts_max: int
    reject_missing_pv: bool
    search_attributes: bool
    backend: bool
    migration_nodes: int = added(0)
    """NB: 0.1.0, which doesn't send it, knows no such limit."""
    migration_deadline: float = added(3600.0)


class ReadInput(Model):
    """A request for a live look at a volume. A `patient` one is retried whatever the error, because a rollback depends on it.

    `pvs`: PVs of the volume that the run has seen, which the index of the worker that looks may not know yet. `holder`: the node
    whose hold looks as it ends, "" for none; `asker`: the operation that ends it, and waits for that.
    """

    volume: VolumeRef
    patient: bool = False
    pvs: tuple[str, ...] = added(())
    holder: str = added("")
    asker: str = added("")


class ReadResult(Model):
    """The result of a look at a volume: its record, or None for no PV. `by` is the run that read the PV, "" if the index answered.

    Without a PV, `departed` is the volume's last record as far as known, and `unplaced` gives by node id the reason why the volume
    may be attached there all the same.

    NB: after a reset, a replayed look may be stale: don't rely on it for an answer.
    """

    record: VolumeRecord | None
    by: str = ""
    departed: VolumeRecord | None = added(None)
    unplaced: dict[str, str] = added({})


class UnpersistedRun(Model):
    """An attachment that waits for its PV, and the PersistAttachment run that holds the volume with it; `by` looked.

    `ending`: the run has been asked to end, so it holds the volume only until it has. `begun_by` is the publish that began it;
    `with_secrets`: the CO supplied secrets with it. `over`: the run was reset after it had ended, so nothing may rely on it.
    """

    attachment: Attachment
    run_id: str
    by: str = ""
    ending: bool = added(False)
    begun_by: str = added("")
    with_secrets: bool = added(False)
    over: bool = added(False)


class ObserveInput(VolumeRef):
    """A question to memory about a volume and, if there is a `node_id`, about the node that is to hold it.

    The write of an operation that may be done in its first workflow task is made with the answer: the acquisition for the publish
    `acquires`, or the release of the node `releases` ("" for every node, None for no release), at no other epoch than `at_epoch`
    if there is one.
    """

    node_id: str = ""
    acquires: PublishRequest | None = added(None)
    releases: str | None = added(None)
    at_epoch: int | None = added(None)

    @property
    def at_once(self) -> bool:
        """True if the operation may be done in its first workflow task."""
        return self.acquires is not None or self.releases is not None

    @property
    def without_write(self) -> ObserveInput:
        """The same question, with which nothing is written."""
        return self.model_copy(update={"acquires": None, "releases": None})


class NodeVerdict(StrEnum):
    """Memory's answer about a node that is to hold a volume: no objection, unknown, or no room for another."""

    ADMITTED = "admitted"
    UNKNOWN = "unknown"
    FULL = "full"


class CheckNodeInput(Model):
    """A question whether a node may hold a volume. `holds`: it holds the volume already, which no limit forbids."""

    volume: VolumeRef
    node_id: str
    holds: bool


class Refusal(Model):
    """A final answer to an attempt: an error of mooring/errors.py, by its type name, and its words."""

    error: str
    message: str


class FirstWrite(Model):
    """The outcome of the one attempt of a write with the first step: its `result`, or a `refusal`, or the write that `hangs`."""

    result: WriteResult | None = added(None)
    refusal: Refusal | None = added(None)
    hangs: Write | None = added(None)


class ObserveResult(Model):
    """The index's record of a volume (None: none), the attachment that waits for its PV, and the limits of this operation.

    `doubt`: the reason why the volume can't be published to any node, "" if it can. `undisturbed`: nothing stands in the way of an
    operation that may be done at once. `made`: its write, of which `attempted` says that some attempt may be under way; the result
    of an acquisition supersedes `record`, which is None then.
    """

    record: VolumeRecord | None
    waiting: UnpersistedRun | None
    limits: OperationLimits
    node: NodeVerdict = added(NodeVerdict.ADMITTED)
    doubt: str = added("")
    undisturbed: bool = added(False)
    made: FirstWrite | None = added(None)
    attempted: bool = added(False)


class BackendCall(Model):
    """A request to the backend to publish or unpublish. `epoch` is that of the record on which it was decided, 0 if it has none.

    `token` is the fencing token that the backend may enforce (mooring/records/fence.py), None if there is no epoch. With
    `needs_secrets` the call must not be made without the CO's secrets. NB: the worker that carries out the call sets both. In the
    payload, one of the version before would refuse them as unknown.
    """

    volume: VolumeRef
    node_id: str
    epoch: int
    access_mode: AccessMode | None = None
    readonly: bool = False
    access_type: AccessType | None = added(None)
    volume_context: dict[str, str] = added({})
    handed_over: bool = added(False)
    needs_secrets: bool = added(False)
    token: int | None = added(None)


class PersistInput(Model):
    """An attachment that has no PV to be recorded on yet, and the id of the publish that made it.

    The rest is carried over by continue-as-new: the settlement by its publish, the runs that may have written the record for it,
    and whether the node held the volume before.
    """

    volume: VolumeRef
    attachment: Attachment
    operation: str
    settled: Attachment | None = added(None)
    signed: tuple[str, ...] = added(())
    stays: bool = added(False)


class RunRef(Model):
    """One run on a volume."""

    volume: VolumeRef
    run_id: str


class WarnInput(Model):
    """A warning for an operator, on the volume's PV if there is one."""

    volume: VolumeRef
    record: VolumeRecord | None
    message: str

"""What travels between a caller, a workflow, an activity and the index.

Contract: every model is frozen, refuses unknown fields and never shows its input in an error, because an input may carry what
must not be logged. Field names are part of the JSON that callers in other languages send: renaming one is a breaking change.

Not kept here: secrets. No model has a field for one, and an unknown field is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import to_json

DEFAULT_DRIVER = "rds.csi.srvlab.io"
VOLUME_HANDLE_BYTES = 1024
"""What a volume's handle may have to be published. NB: CSI's 128 bytes bind nobody: Kubernetes passes any, and Azure's have 165."""
NODE_ID_BYTES = 256
"""What Kubernetes lets a CSINode say."""
MAP_BYTES = 1 << 20
"""What a map may have as JSON, in which it travels: half of what Temporal takes of a payload."""


def _at_most(limit: int) -> AfterValidator:
    def check(value: str) -> str:
        if len(value.encode()) > limit:
            raise ValueError(f"is longer than {limit} bytes")
        return value

    return AfterValidator(check)


def _fits(given: dict[str, str]) -> dict[str, str]:
    if map_bytes(given) > MAP_BYTES:
        raise ValueError(f"has more than {MAP_BYTES} bytes")
    return given


DRIVER_NAME = r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?"
"""CSI plugin name: at most 63 characters of a domain name, the first and the last alphanumeric (CSI spec, GetPluginInfo)."""
DriverName = Annotated[str, StringConstraints(pattern=f"^{DRIVER_NAME}$")]

VolumeHandle = Annotated[str, StringConstraints(min_length=1)]
"""NB: however long: what is attached already is told, recorded and detached, whatever it is called."""
NodeId = Annotated[str, StringConstraints(min_length=1), _at_most(NODE_ID_BYTES)]


class AccessMode(StrEnum):
    """How a volume may be used, by the names of CSI's VolumeCapability.AccessMode.Mode."""

    SINGLE_NODE_WRITER = "SINGLE_NODE_WRITER"
    SINGLE_NODE_READER_ONLY = "SINGLE_NODE_READER_ONLY"
    SINGLE_NODE_SINGLE_WRITER = "SINGLE_NODE_SINGLE_WRITER"
    SINGLE_NODE_MULTI_WRITER = "SINGLE_NODE_MULTI_WRITER"
    MULTI_NODE_READER_ONLY = "MULTI_NODE_READER_ONLY"
    MULTI_NODE_SINGLE_WRITER = "MULTI_NODE_SINGLE_WRITER"
    MULTI_NODE_MULTI_WRITER = "MULTI_NODE_MULTI_WRITER"

    @property
    def multi_node(self) -> bool:
        """Whether several nodes may hold the volume at once."""
        return self.value.startswith("MULTI_NODE")


class Model(BaseModel):
    """The base of all that travels: frozen, strict about unknown fields, silent about its input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def faults(error: ValidationError, whole: str = "") -> str:
    """What is wrong with a model's input, without the input; `whole` names what is wrong as a whole."""
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or whole}: {fault['msg']}" for fault in error.errors())


def map_bytes(given: Mapping[str, str]) -> int:
    """How much of `MAP_BYTES` a map takes."""
    return len(to_json(dict(given)))


class VolumeRef(Model):
    """A volume, named as CSI names it: by driver and volume handle."""

    driver: DriverName = DEFAULT_DRIVER
    volume_handle: VolumeHandle


def _added(default: Any) -> Any:
    """A field of later make. It is left out where it says nothing: a worker of the version before refuses what it doesn't know."""
    return Field(default, exclude_if=lambda value: value == default)


class AccessType(Model):
    """How a node uses the volume, for a backend that asks: CSI's VolumeCapability.access_type, but for the mount flags.

    NB: mount flags may be sensitive (CSI spec, VolumeCapability.MountVolume), so they are no part of a payload; see `handed_over`.
    """

    block: bool = False
    fs_type: str = ""
    volume_mount_group: str = ""


class PublishRequest(VolumeRef):
    """Asks that `node_id` hold the volume.

    `access_type` and `volume_context` are for the backend. `handed_over`: the backend needs more than a payload may hold, secrets
    say; it waits in the memory of the worker that was asked (mooring/csi/handover.py). `with_secrets`: there are secrets in it.
    """

    volume_handle: Annotated[VolumeHandle, _at_most(VOLUME_HANDLE_BYTES)]
    node_id: NodeId
    access_mode: AccessMode = AccessMode.SINGLE_NODE_WRITER
    readonly: bool = False
    access_type: AccessType | None = _added(None)
    volume_context: Annotated[dict[str, str], AfterValidator(_fits)] = _added({})
    handed_over: bool = _added(False)
    with_secrets: bool = _added(False)

    @classmethod
    def of(cls, driver: str, volume_handle: str, held: Attachment) -> PublishRequest:
        """Return what would ask for an attachment that is there; never refused for its form, as that has been taken already."""
        mode = held.access_mode or AccessMode.SINGLE_NODE_WRITER
        return cls.model_construct(
            driver=driver, volume_handle=volume_handle, node_id=held.node_id, access_mode=mode, readonly=held.readonly
        )

    @property
    def migrates(self) -> bool:
        """Whether a second node means a live migration: a raw block device can't be shared but by what takes turns on it."""
        block = self.access_type is not None and self.access_type.block
        return block and self.access_mode is AccessMode.MULTI_NODE_MULTI_WRITER


class UnpublishRequest(VolumeRef):
    """Asks that `node_id` no longer hold the volume; an empty `node_id` means every node (CSI spec, ControllerUnpublishVolume).

    `stray`: the node has the volume at the backend and no record says so; one that a record names keeps it. `at_epoch`: what was
    seen amiss was seen at this epoch; where the record has moved on, everything stays as it is. `at_run`: what is to be released
    was seen to wait for its PV in this run; where that has ended, everything stays as it is. `detached`: at that epoch the backend
    has detached already, so it is not asked.
    """

    node_id: str = ""
    handed_over: bool = _added(False)
    stray: bool = _added(False)
    at_epoch: int | None = _added(None)
    at_run: str = _added("")
    detached: bool = _added(False)

    @property
    def bound(self) -> bool:
        """Whether it was decided on what somebody saw, and so leaves what has changed since, an open publish included."""
        return self.stray or self.at_epoch is not None or bool(self.at_run)


class Approval(Model):
    """An operator's word that a waiting run may go on: whose, and on what grounds. It stays in the history."""

    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class Attachment(Model):
    """One holder of a volume.

    `access_mode` is None where nobody has said: another program wrote the record, or the node had the volume before Mooring came.
    `attached_at` is UTC.
    """

    node_id: NodeId
    attached_at: AwareDatetime
    access_mode: AccessMode | None = AccessMode.SINGLE_NODE_WRITER
    readonly: bool = False
    publish_context: dict[str, str] = Field(default_factory=dict)


class AdoptRequest(VolumeRef):
    """Asks that an attachment that is there already be recorded, as it is.

    `epoch` is that of the record that knew nothing of it, `volume_attachment` what shows that it is there.
    """

    attachment: Attachment
    epoch: int
    volume_attachment: str


class Mark(Model):
    """What a write is decided against and what its JSON patch tests.

    `epoch` and `node` are the annotations `attachment-epoch` and `attached-node` as they stood, None where absent; `node` is ""
    where another program left it empty. `bare` says that the PV had no annotations at all, for which a JSON patch differs.
    """

    pv: str
    uid: str
    epoch: int | None = None
    node: str | None = None
    bare: bool = False


class Copy(Model):
    """Another PV of the same volume. `operation`, `holders` and `beside` are None where it says what the first one says."""

    mark: Mark
    operation: str | None = _added(None)
    holders: tuple[Attachment, ...] | None = _added(None)
    beside: tuple[str, ...] | None = _added(None)


class VolumeRecord(Model):
    """What one PV says about its volume, at one epoch. `operation` is the run id that wrote it, "" where none did.

    `beside`: the PVs that bear the record too, as it says itself. `others`: the volume's other PVs, as they were seen (copies.py);
    `unreadable`: why others of them can't be read.

    Where more is known than the PV says (mooring/evidence.py), `holders` and `operation` are what is known and `evidence` how, in
    words, `floor` is the highest epoch that is known of the volume, and `shown` names the VolumeAttachment that spoke for a node.
    `altered`: all this is known of this very PV, whose record says less than it did.
    """

    mark: Mark
    operation: str = ""
    holders: tuple[Attachment, ...] = ()
    beside: tuple[str, ...] = _added(())
    others: tuple[Copy, ...] = _added(())
    unreadable: tuple[str, ...] = _added(())
    floor: int = _added(0)
    evidence: str = _added("")
    shown: dict[str, str] = _added({})
    altered: bool = _added(False)

    @property
    def epoch(self) -> int:
        """The fencing token: of several PVs, the highest; 0 where no operation has written the record yet."""
        return max(mark.epoch or 0 for mark in self.marks)

    @property
    def token_epoch(self) -> int:
        """The epoch that a detach is decided at: the highest that is known of the volume; 0, for no token, where it has no PV."""
        return max(self.epoch, self.floor) if self.mark.pv else 0

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What a write tests of each PV."""
        return (self.mark, *(other.mark for other in self.others))

    @property
    def copies(self) -> tuple[VolumeRecord, ...]:
        """What each PV says, by itself."""
        if not self.others:
            return (self,)
        return (self.model_copy(update={"others": (), "unreadable": ()}), *map(self._copy, self.others))

    @property
    def everyone(self) -> tuple[Attachment, ...]:
        """Who holds the volume by any of its PVs."""
        if not self.others:
            return self.holders
        found: dict[str, Attachment] = {}
        for held in chain.from_iterable(copy.holders for copy in self.copies):
            found.setdefault(held.node_id, held)
        return tuple(found.values())

    def holder(self, node_id: str) -> Attachment | None:
        """The attachment of `node_id`, or None."""
        return next((held for held in self.everyone if held.node_id == node_id), None)

    def _copy(self, other: Copy) -> VolumeRecord:
        return VolumeRecord(
            mark=other.mark,
            operation=self.operation if other.operation is None else other.operation,
            holders=self.holders if other.holders is None else other.holders,
            beside=self.beside if other.beside is None else other.beside,
        )


class Part(NamedTuple):
    """What a write makes of one PV, where that is as the mark says. `beside` are the names of the others that it is made on."""

    mark: Mark
    holders: tuple[Attachment, ...]
    beside: tuple[str, ...]


class Write(Model):
    """One compare-and-set: where the PV still is as `mark` says, its record becomes `holders` at `epoch`, signed `operation`.

    `others`: what is asked of the volume's other PVs, one after the other. `node_id` is the node that the operation is about, ""
    for all. `floor`: an epoch of the volume that is known beyond the marks'.
    """

    volume: VolumeRef
    node_id: str = ""
    mark: Mark
    operation: str
    holders: tuple[Attachment, ...]
    others: tuple[Copy, ...] = _added(())
    floor: int = _added(0)

    @property
    def epoch(self) -> int:
        """The epoch that it moves the record to, on each PV: above every one that is known of the volume."""
        return max(self.floor, *(mark.epoch or 0 for mark in (self.mark, *(other.mark for other in self.others)))) + 1

    @property
    def parts(self) -> tuple[Part, ...]:
        """What it makes of each PV."""
        made = ((self.mark, self.holders), *((other.mark, other.holders) for other in self.others))
        names = [mark.pv for mark, _ in made]
        return tuple(
            Part(mark, self.holders if holders is None else holders, tuple(name for name in names if name != mark.pv))
            for mark, holders in made
        )


class WriteResult(Model):
    """What became of a `Write`: `landed`, on every PV, with the record it made, or not, with what the PVs say instead (None:
    there is no PV).

    `by` is the run whose attempt it was; `departed` and `unplaced` are those of `Looked`.
    """

    landed: bool
    record: VolumeRecord | None
    by: str = ""
    departed: VolumeRecord | None = _added(None)
    unplaced: dict[str, str] = _added({})


class Limits(Model):
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
    migration_nodes: int = _added(0)
    """NB: 0.1.0, which doesn't send it, knows no such limit."""
    migration_deadline: float = _added(3600.0)


class Look(Model):
    """Asks for a live look at a volume. A `patient` one is retried whatever the error, because a rollback hangs on it.

    `pvs`: PVs of the volume that the run has seen, which the index of the worker that looks may not know yet.
    """

    volume: VolumeRef
    patient: bool = False
    pvs: tuple[str, ...] = _added(())


class Looked(Model):
    """What was seen of a volume: its record, or None for no PV. `by` is the run that looked at the PV; "" for the index's word.

    Where there is no PV, `departed` is what is known of the volume's last record, and `unplaced` says by node id why the volume may
    be attached there all the same.

    NB: a run that was reset replays what its former self saw: live then, and no longer to be relied on for an answer.
    """

    record: VolumeRecord | None
    by: str = ""
    departed: VolumeRecord | None = _added(None)
    unplaced: dict[str, str] = _added({})


class Waiting(Model):
    """An attachment that waits for its PV, and the PersistAttachment run that holds the volume with it; `by` looked.

    `ending`: somebody has asked the run to end, so it holds the volume only until it has. `begun_by` is the publish that began it;
    `with_secrets`: the CO brought secrets with it. `over`: the run was reset after it had ended, so nobody may rely on it.
    """

    attachment: Attachment
    run_id: str
    by: str = ""
    ending: bool = _added(False)
    begun_by: str = _added("")
    with_secrets: bool = _added(False)
    over: bool = _added(False)


class Observe(VolumeRef):
    """Asks what memory says of a volume and, where there is a `node_id`, of the node that is to hold it."""

    node_id: str = ""


class NodeGlance(StrEnum):
    """What memory says of a node that is to hold a volume: nothing against it, that it is unknown, or has no room for another."""

    ADMITTED = "admitted"
    UNKNOWN = "unknown"
    FULL = "full"


class NodeAsk(Model):
    """Asks whether a node may hold a volume. `holds`: it holds the volume already, which no limit forbids."""

    volume: VolumeRef
    node_id: str
    holds: bool


class Glance(Model):
    """What the index says of a volume (None: nothing), what waits for its PV, and the limits that this operation runs under.

    `doubt`: why the volume can't be published to anybody, "" where it can.
    """

    record: VolumeRecord | None
    waiting: Waiting | None
    limits: Limits
    node: NodeGlance = _added(NodeGlance.ADMITTED)
    doubt: str = _added("")


class BackendCall(Model):
    """Asks the backend to publish or unpublish. `epoch` is that of the record on which it was decided, 0 where it has none.

    `token` is the fencing token that the backend may enforce (mooring/fence.py), None where there is no epoch. With `needs_secrets`
    the call must not be made without the CO's secrets.
    NB: the worker that carries the call out says both. In the payload, one of the version before would refuse them as unknown.
    """

    volume: VolumeRef
    node_id: str
    epoch: int
    access_mode: AccessMode | None = None
    readonly: bool = False
    access_type: AccessType | None = _added(None)
    volume_context: dict[str, str] = _added({})
    handed_over: bool = _added(False)
    needs_secrets: bool = _added(False)
    token: int | None = _added(None)


class Unpersisted(Model):
    """An attachment that has no PV to be recorded on yet, and the id of the publish that made it.

    The rest is what a run hands to the one that goes on with its work: the word of its publish, the runs that may have written the
    record for it, and whether the node held the volume before.
    """

    volume: VolumeRef
    attachment: Attachment
    operation: str
    settled: Attachment | None = _added(None)
    signed: tuple[str, ...] = _added(())
    stays: bool = _added(False)


class RunRef(Model):
    """One run on a volume."""

    volume: VolumeRef
    run_id: str


class Warned(Model):
    """Something an operator must see on the volume's PV, where there is one."""

    volume: VolumeRef
    record: VolumeRecord | None
    message: str


class VolumeStatus(VolumeRef):
    """Who holds a volume: by its PV (`record`, None where there is none), or `unpersisted` while it waits for one."""

    record: VolumeRecord | None
    unpersisted: Attachment | None


class PublishResult(VolumeRef):
    """A volume that `node_id` holds.

    `persisted` is False while the PV does not exist yet; `epoch` is then 0. `reclaimed` says that the node held it already.
    """

    node_id: str
    publish_context: dict[str, str]
    epoch: int
    attached_at: datetime
    persisted: bool
    reclaimed: bool
    message: str


class UnpublishResult(VolumeRef):
    """A volume that `node_id` (or, where empty, no node) holds any longer. `released` names the nodes that held it until now.

    `annotation_cleared` is False where the record could not be cleared: the volume stays fenced to its holder, `message` says why.
    """

    node_id: str
    released: tuple[str, ...]
    epoch: int
    annotation_cleared: bool
    message: str


class Migrating(Model):
    """A live migration that has begun: `from_nodes` held the volume, and `to_node` holds it too."""

    volume: VolumeRef
    mark: Mark
    from_nodes: tuple[str, ...]
    to_node: str


class MigrationResult(VolumeRef):
    """A live migration that is over: `stays` is the node that is left, "" for none.

    `overdue`: it took longer than MOORING_MIGRATION_DEADLINE.
    """

    from_nodes: tuple[str, ...]
    to_node: str
    stays: str
    overdue: bool
    message: str


class RebuildResult(Model):
    """What a rebuild found.

    PVs of the driver, of them attached, their holders, unreadable times replaced, and PVs skipped, by reason.
    """

    worker: str
    volumes: int
    attached: int
    holders: int
    replaced_times: int
    skipped: dict[str, int]
    seconds: float
    message: str

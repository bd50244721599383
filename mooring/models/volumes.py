"""A volume, its holders, and the record that its PVs bear."""

from __future__ import annotations

from enum import StrEnum
from itertools import chain

from pydantic import AwareDatetime, Field

from mooring.models.base import DEFAULT_DRIVER, DriverName, Model, NodeId, VolumeHandle, added


class AccessMode(StrEnum):
    """Permitted use of a volume, by the names of CSI's VolumeCapability.AccessMode.Mode."""

    SINGLE_NODE_WRITER = "SINGLE_NODE_WRITER"
    SINGLE_NODE_READER_ONLY = "SINGLE_NODE_READER_ONLY"
    SINGLE_NODE_SINGLE_WRITER = "SINGLE_NODE_SINGLE_WRITER"
    SINGLE_NODE_MULTI_WRITER = "SINGLE_NODE_MULTI_WRITER"
    MULTI_NODE_READER_ONLY = "MULTI_NODE_READER_ONLY"
    MULTI_NODE_SINGLE_WRITER = "MULTI_NODE_SINGLE_WRITER"
    MULTI_NODE_MULTI_WRITER = "MULTI_NODE_MULTI_WRITER"

    @property
    def multi_node(self) -> bool:
        """True if several nodes may hold the volume at once."""
        return self.value.startswith("MULTI_NODE")


class VolumeRef(Model):
    """A volume, named as CSI names it: by driver and volume handle."""

    driver: DriverName = DEFAULT_DRIVER
    volume_handle: VolumeHandle


class AccessType(Model):
    """A node's use of the volume, for a backend that needs it: CSI's VolumeCapability.access_type, but for the mount flags.

    NB: mount flags may be sensitive (CSI spec, VolumeCapability.MountVolume), so they are no part of a payload; see `handed_over`.
    """

    block: bool = False
    fs_type: str = ""
    volume_mount_group: str = ""


class Attachment(Model):
    """One holder of a volume.

    `access_mode` is None if unknown: another program wrote the record, or the node had the volume before Mooring was installed.
    `attached_at` is UTC.
    """

    node_id: NodeId
    attached_at: AwareDatetime
    access_mode: AccessMode | None = AccessMode.SINGLE_NODE_WRITER
    readonly: bool = False
    publish_context: dict[str, str] = Field(default_factory=dict)


class Precondition(Model):
    """The state of a PV on which a write is decided, and which its JSON patch tests.

    `epoch` and `node` are the annotations `attachment-epoch` and `attached-node` as they were, None if absent; `node` is "" if
    another program left it empty. `bare` says that the PV had no annotations at all, for which a JSON patch differs.
    """

    pv: str
    uid: str
    epoch: int | None = None
    node: str | None = None
    bare: bool = False


class Copy(Model):
    """Another PV of the same volume. `operation`, `holders` and `beside` are None if they equal the first one's."""

    mark: Precondition
    operation: str | None = added(None)
    holders: tuple[Attachment, ...] | None = added(None)
    beside: tuple[str, ...] | None = added(None)


class VolumeRecord(Model):
    """The record of a volume on one PV, at one epoch. `operation` is the run id that wrote it, "" if none did.

    `beside`: the PVs that bear the record too, as it says itself. `others`: the volume's other PVs, as they were seen
    (mooring/records/copies.py); `unreadable`: the reasons why others of them can't be read.

    If more is known than the PV says (mooring/evidence/evidence.py), `holders` and `operation` are as known and `evidence` is the
    source, in words, `floor` is the highest epoch that is known of the volume, and `shown` names the VolumeAttachment that is the
    evidence for a node. `altered`: all this is known of this very PV, whose record says less than it did.
    """

    mark: Precondition
    operation: str = ""
    holders: tuple[Attachment, ...] = ()
    beside: tuple[str, ...] = added(())
    others: tuple[Copy, ...] = added(())
    unreadable: tuple[str, ...] = added(())
    floor: int = added(0)
    evidence: str = added("")
    shown: dict[str, str] = added({})
    altered: bool = added(False)

    @property
    def epoch(self) -> int:
        """The fencing token: of several PVs, the highest; 0 if no operation has written the record yet."""
        return max(mark.epoch or 0 for mark in self.marks)

    @property
    def token_epoch(self) -> int:
        """The epoch that a detach is decided at: the highest known of the volume, though its PV be gone; 0 means no token."""
        return max(self.epoch, self.floor)

    @property
    def marks(self) -> tuple[Precondition, ...]:
        """The marks that a write tests, one for each PV."""
        return (self.mark, *(other.mark for other in self.others))

    @property
    def copies(self) -> tuple[VolumeRecord, ...]:
        """The record of each PV, by itself."""
        if not self.others:
            return (self,)
        return (self.model_copy(update={"others": (), "unreadable": ()}), *map(self._copy, self.others))

    @property
    def everyone(self) -> tuple[Attachment, ...]:
        """The holders of the volume by any of its PVs."""
        if not self.others:
            return self.holders
        found: dict[str, Attachment] = {}
        for held in chain.from_iterable(copy.holders for copy in self.copies):
            found.setdefault(held.node_id, held)
        return tuple(found.values())

    def holder(self, node_id: str) -> Attachment | None:
        """Return the attachment of `node_id`, or None."""
        return next((held for held in self.everyone if held.node_id == node_id), None)

    def _copy(self, other: Copy) -> VolumeRecord:
        return VolumeRecord(
            mark=other.mark,
            operation=self.operation if other.operation is None else other.operation,
            holders=self.holders if other.holders is None else other.holders,
            beside=self.beside if other.beside is None else other.beside,
        )


class VolumeStatus(VolumeRef):
    """The holders of a volume: by its PV (`record`, None if there is none), or `unpersisted` while it waits for one."""

    record: VolumeRecord | None
    unpersisted: Attachment | None

    @property
    def everyone(self) -> tuple[Attachment, ...]:
        """Its holders, one that waits for its PV included."""
        waiting = (self.unpersisted,) if self.unpersisted else ()
        return (*(self.record.everyone if self.record else ()), *waiting)

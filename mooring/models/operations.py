"""Requests and results of operations."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from mooring.models.base import MAP_BYTES, VOLUME_HANDLE_BYTES, Model, NodeId, VolumeHandle, added, at_most, map_bytes
from mooring.models.volumes import AccessMode, AccessType, Attachment, Mark, VolumeRef


def _fits(given: dict[str, str]) -> dict[str, str]:
    if map_bytes(given) > MAP_BYTES:
        raise ValueError(f"has more than {MAP_BYTES} bytes")
    return given


class PublishRequest(VolumeRef):
    """Asks that `node_id` hold the volume.

    `access_type` and `volume_context` are for the backend. `handed_over`: the backend needs more than a payload may hold, secrets
    say; it waits in the memory of the worker that was asked (mooring/csi/inflight.py). `with_secrets`: there are secrets in it.
    """

    volume_handle: Annotated[VolumeHandle, at_most(VOLUME_HANDLE_BYTES)]
    node_id: NodeId
    access_mode: AccessMode = AccessMode.SINGLE_NODE_WRITER
    readonly: bool = False
    access_type: AccessType | None = added(None)
    volume_context: Annotated[dict[str, str], AfterValidator(_fits)] = added({})
    handed_over: bool = added(False)
    with_secrets: bool = added(False)

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
    handed_over: bool = added(False)
    stray: bool = added(False)
    at_epoch: int | None = added(None)
    at_run: str = added("")
    detached: bool = added(False)

    @property
    def bound(self) -> bool:
        """Whether it was decided on what somebody saw, and so leaves what has changed since, an open publish included."""
        return self.stray or self.at_epoch is not None or bool(self.at_run)


class Approval(Model):
    """An operator's word that a waiting run may go on: whose, and on what grounds. It stays in the history."""

    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class AdoptRequest(VolumeRef):
    """Asks that an attachment that is there already be recorded, as it is.

    `epoch` is that of the record that knew nothing of it, `volume_attachment` what shows that it is there.
    """

    attachment: Attachment
    epoch: int
    volume_attachment: str


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


class Skip(StrEnum):
    """Why a listed PV is no volume that can be published."""

    NOT_CSI = "not_csi"
    OTHER_DRIVER = "other_driver"
    NO_VOLUME_HANDLE = "no_volume_handle"
    UNTRANSLATABLE = "untranslatable_in_tree_source"
    MALFORMED = "malformed_record"
    DUPLICATE = "duplicate_volume_handle"

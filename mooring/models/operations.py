"""Requests and results of operations."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from mooring.models.base import MAP_BYTES, VOLUME_HANDLE_BYTES, Model, NodeId, VolumeHandle, added, at_most, map_bytes
from mooring.models.volumes import AccessMode, AccessType, Attachment, Precondition, VolumeRef


def _fits(given: dict[str, str]) -> dict[str, str]:
    if map_bytes(given) > MAP_BYTES:
        raise ValueError(f"has more than {MAP_BYTES} bytes")
    return given


class PublishRequest(VolumeRef):
    """A request that `node_id` hold the volume.

    `access_type` and `volume_context` are for the backend. `handed_over`: the backend needs more than a payload may hold, such as
    secrets; it waits in the memory of the worker that was asked (mooring/csi/inflight.py). `with_secrets`: there are secrets in it.
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
    def of(cls, volume: VolumeRef, held: Attachment) -> PublishRequest:
        """Return the request for an attachment that exists; its form is never refused, as it has been accepted before."""
        return cls.model_construct(
            driver=volume.driver,
            volume_handle=volume.volume_handle,
            node_id=held.node_id,
            access_mode=held.access_mode or AccessMode.SINGLE_NODE_WRITER,
            readonly=held.readonly,
        )

    @property
    def migrates(self) -> bool:
        """True if a second node means a live migration: only programs that take turns can share a raw block device."""
        block = self.access_type is not None and self.access_type.block
        return block and self.access_mode is AccessMode.MULTI_NODE_MULTI_WRITER


class UnpublishRequest(VolumeRef):
    """A request that `node_id` no longer hold the volume; "" means every node (CSI spec, ControllerUnpublishVolume).

    `stray`: the node has the volume at the backend and no record says so; a node that a record names keeps it. `at_epoch`: the
    fault was seen at this epoch; if the record has moved on, nothing is changed. `at_run`: the attachment was seen to wait for its
    PV in this run; if that has ended, nothing is changed. `detached`: at that epoch the backend has detached already, so it is not
    asked.
    """

    node_id: str = ""
    handed_over: bool = added(False)
    stray: bool = added(False)
    at_epoch: int | None = added(None)
    at_run: str = added("")
    detached: bool = added(False)

    @property
    def bound(self) -> bool:
        """True if it was decided on an observation, and so respects all changes since, an open publish included."""
        return self.stray or self.at_epoch is not None or bool(self.at_run)


class Approval(Model):
    """An operator's approval that a waiting run may go on, with its grounds. It remains in the history."""

    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class AdoptRequest(VolumeRef):
    """A request that an existing attachment be recorded, as it is.

    `epoch` is that of the record that knew nothing of it, `volume_attachment` the evidence for it.
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
    """A volume that `node_id` no longer holds, or no node if that is "". `released` names the nodes that held it until now.

    `annotation_cleared` is False if the record could not be cleared: the volume remains fenced to its holder, `message` says why.
    """

    node_id: str
    released: tuple[str, ...]
    epoch: int
    annotation_cleared: bool
    message: str


class Migrating(Model):
    """A live migration that has begun: `from_nodes` held the volume, and `to_node` holds it too."""

    volume: VolumeRef
    mark: Precondition
    from_nodes: tuple[str, ...]
    to_node: str


class MigrationResult(VolumeRef):
    """A live migration that is over: `stays` is the node that still holds the volume, "" for none.

    `overdue`: it took longer than MOORING_MIGRATION_DEADLINE.
    """

    from_nodes: tuple[str, ...]
    to_node: str
    stays: str
    overdue: bool
    message: str


class RebuildResult(Model):
    """Result of a rebuild.

    PVs of the driver, those of them attached, their holders, unreadable times replaced, and PVs skipped, by reason.
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
    """Reason why a listed PV is no volume that can be published."""

    NOT_CSI = "not_csi"
    OTHER_DRIVER = "other_driver"
    NO_VOLUME_HANDLE = "no_volume_handle"
    UNTRANSLATABLE = "untranslatable_in_tree_source"
    MALFORMED = "malformed_record"
    DUPLICATE = "duplicate_volume_handle"

"""Records, writes and cached records as tests need them, made by the same code that makes the real ones."""

from __future__ import annotations

from datetime import UTC, datetime

from mooring.models import AccessMode, Attachment, Precondition, PublishRequest, VolumeRecord, VolumeRef, Write
from mooring.records import fence
from mooring.records.compact import CompactRecord
from mooring.records.store import Change, ChangeKind

NOW = datetime(2026, 1, 31, 4, 0, 41, 123456, tzinfo=UTC)
UID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SHARED = AccessMode.MULTI_NODE_MULTI_WRITER


def attachment(node: str = "node-a", mode: AccessMode | None = AccessMode.SINGLE_NODE_WRITER) -> Attachment:
    """Return an attachment of the node."""
    return Attachment(node_id=node, attached_at=NOW, access_mode=mode)


def record(*holders: str | Attachment, epoch: int | None = 1, uid: str = UID, pv: str = "pv-1") -> VolumeRecord:
    """Return a record with these holders."""
    held = tuple(attachment(holder) if isinstance(holder, str) else holder for holder in holders)
    mark = Precondition(pv=pv, uid=uid, epoch=epoch, node=held[0].node_id if held else None)
    return VolumeRecord(mark=mark, operation="", holders=held)


def cached(handle: str, *holders: str | Attachment, epoch: int | None = 1, uid: str = UID, pv: str = "pv-1") -> CompactRecord:
    """Return a record as a list or a watch delivers it."""
    return CompactRecord.of(handle, record(*holders, epoch=epoch, uid=uid, pv=pv))


def seen(handle: str, *holders: str | Attachment, epoch: int | None = 1, uid: str = UID, pv: str = "pv-1") -> Change:
    """Return a change as a watch delivers it."""
    return Change(ChangeKind.SEEN, cached(handle, *holders, epoch=epoch, uid=uid, pv=pv))


def attach(
    volume: VolumeRef, now: VolumeRecord, node: str, operation: str = "op", mode: AccessMode = AccessMode.SINGLE_NODE_WRITER
) -> Write:
    """Return the write of a publish that is admitted."""
    request = PublishRequest(driver=volume.driver, volume_handle=volume.volume_handle, node_id=node, access_mode=mode)
    decided = fence.acquire(now, request, operation, NOW)
    assert isinstance(decided, fence.Acquire)
    return decided.write


def detach(volume: VolumeRef, now: VolumeRecord, node: str = "", operation: str = "op-detach") -> Write:
    """Return the write of an unpublish."""
    return fence.release(now, volume, node, operation)

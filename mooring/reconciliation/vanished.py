"""The drifts of vanished records: pure, from the PVs just listed, and the earlier cached records of the worker that looks.

Contract: nothing here is healed, as only an operator can say whether a node still uses a volume whose record is lost.

Not kept here: the volumes whose operations' histories are read (past_runs.py), and the releases since, which the worker checks
again and again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mooring.models import Precondition
from mooring.models.drift import Drift, DriftKind
from mooring.records.compact import unpack

if TYPE_CHECKING:
    from mooring.cluster.volume_attachments import Attached
    from mooring.index.departures import Departure
    from mooring.models import Attachment, VolumeRecord
    from mooring.records.compact import CompactRecord


def altered(fresh: CompactRecord, known: CompactRecord | None) -> Drift | None:
    """Return the drift of a PV that says less than it was seen to say, or None if it doesn't.

    NB: one look alone proves nothing, as a write may have landed after its list.
    """
    if known is None or not known.outlasts(fresh):
        return None
    known = known.readable
    says = "no epoch" if fresh.epoch is None else f"epoch {fresh.epoch}"
    held = " and ".join(f"node {node}" for node in known.nodes) or "nobody"
    return Drift(
        kind=DriftKind.ALTERED_RECORD,
        volume_handle=fresh.handle,
        node_id=next(iter(known.nodes), ""),
        epoch=known.fence,
        pv=fresh.pv,
        uid=unpack(fresh.uid),
        why=f"PersistentVolume {fresh.pv} of volume {fresh.handle} says {says}, and it was at epoch {known.fence}, held by {held}: "
        "its annotations were removed, or restored from an older copy. The volume is published to no node.",
    )


def departed(departure: Departure, records: Sequence[CompactRecord], attached: Sequence[Attached]) -> Iterator[Drift]:
    """Yield the drifts of the holders of a PV that is gone, which have not released the volume.

    `records` are those of the PVs that the volume has now, `attached` the VolumeAttachments of the one that is gone.
    """
    seen = departure.seen
    if any(record.uid == seen.uid or record.fence > seen.fence for record in records):
        return
    for held in departure.holders:
        name = next((each.name for each in attached if each.node_id == held.node_id), departure.shown.get(held.node_id, ""))
        yield _departed(seen, held, name)


def unrecorded(handle: str, known: VolumeRecord, live: VolumeRecord | None) -> Iterator[Drift]:
    """Yield the drifts by the operations of a volume beyond its PVs; `live` is the record of these, None if there are none."""
    mark = live.mark if live else Precondition(pv="", uid="")
    if known.altered:
        yield _altered(handle, known, mark)
        return
    for held in known.holders:
        if live is None or live.holder(held.node_id) is None:
            yield _left(handle, known, held, mark)


def unplaced(
    attached: Mapping[str, Sequence[Attached]], placed: Collection[str], departures: Mapping[str, Departure]
) -> Iterator[Drift]:
    """Yield the drifts of VolumeAttachments that are attached, and remain so, of unknown PVs.

    `departures` are by the name of the PV that is gone.
    """
    for pv in attached.keys() - placed:
        departure = departures.get(pv)
        holders = {held.node_id for held in departure.holders} if departure else set()
        for each in attached[pv]:
            if each.attached and not each.leaving and each.node_id not in holders:
                yield _unplaced(each, departure.seen.handle if departure else "")


def _altered(handle: str, known: VolumeRecord, mark: Precondition) -> Drift:
    node = next((held.node_id for held in known.holders), "")
    held_by = f"node {node}" if node else "nobody"
    return Drift(
        kind=DriftKind.ALTERED_RECORD,
        volume_handle=handle,
        node_id=node,
        epoch=known.floor,
        pv=mark.pv,
        uid=mark.uid,
        why=f"PersistentVolume {mark.pv} of volume {handle} says no epoch, and the last operation that wrote it left it at epoch "
        f"{known.floor}, held by {held_by}: its annotations were removed. The volume is published to no node.",
    )


def _left(handle: str, known: VolumeRecord, held: Attachment, mark: Precondition) -> Drift:
    return Drift(
        kind=DriftKind.DEPARTED_HOLDER,
        volume_handle=handle,
        node_id=held.node_id,
        epoch=known.floor,
        pv=mark.pv,
        uid=mark.uid,
        volume_attachment=known.shown.get(held.node_id, ""),
        since=held.attached_at,
        why=f"Volume {handle} may still be attached to node {held.node_id}. {known.evidence} Other nodes are refused.",
    )


def _departed(seen: CompactRecord, held: Attachment, volume_attachment: str) -> Drift:
    since = f"{held.attached_at:%Y-%m-%dT%H:%M:%SZ}"
    asks = f" VolumeAttachment {volume_attachment} says that the node has it." if volume_attachment else ""
    return Drift(
        kind=DriftKind.DEPARTED_HOLDER,
        volume_handle=seen.handle,
        node_id=held.node_id,
        epoch=seen.fence,
        pv=seen.pv,
        volume_attachment=volume_attachment,
        since=held.attached_at,
        why=f"PersistentVolume {seen.pv} of volume {seen.handle} was deleted while its record named node {held.node_id} as holder "
        f"since {since}, at epoch {seen.fence}, and the volume has not been unpublished since.{asks} Other nodes are refused.",
    )


def _unplaced(each: Attached, handle: str) -> Drift:
    what = f"PersistentVolume {each.pv}, which is unknown" if each.pv else "a volume that names no PersistentVolume"
    return Drift(
        kind=DriftKind.UNPLACED_VOLUME_ATTACHMENT,
        volume_handle=handle,
        node_id=each.node_id or "",
        pv=each.pv,
        volume_attachment=each.name,
        since=each.since,
        why=(
            f"VolumeAttachment {each.name} attaches {what}, to node {each.node}. As that volume is unknown, a volume without a "
            "PersistentVolume is published to no other node."
        ),
    )

"""The drifts of a volume: pure, from its PV as just listed and the other evidence.

Contract: a holder, a VolumeAttachment and a node at the backend are each at most one drift, the one that says most. A source that
wasn't asked is compared with nothing. `heal` is set if it needs nobody's judgement; the operation that heals looks at the live
record again.

Rules of healing:

1. A record that an unpublish could not clear is cleared by another: the backend has detached already.
2. A holder without VolumeAttachment is released only if volumes are requested by VolumeAttachments, and the node itself,
   alive, says that it doesn't use the volume.
3. A VolumeAttachment without holder is adopted only if no operation ever wrote the record: else the difference may be intended. A
   record written since then is judged by the adoption itself (mooring/adoption/rules.py).
4. A node that has the volume at the backend alone is detached there if it is a node by that name, and the backend shows every
   holder: else it may be a holder under another name.

Not kept here: gathering the evidence (survey.py), and the number of looks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from mooring.cluster.node_usage import NodeUsage, unique_name
from mooring.models.drift import Drift, DriftKind, Heal
from mooring.names import short
from mooring.records.compact import unpack
from mooring.records.copies import disagreement, unite
from mooring.temporal.visibility import Waits

if TYPE_CHECKING:
    from mooring.cluster.volume_attachments import Attached
    from mooring.records.compact import CompactHolder, CompactRecord


WAITS_LONG: Final = timedelta(minutes=10)
"""Time that an attachment may wait for its PV before that is drift."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence beside the PVs; a source that is None was not asked.

    `attached`: the VolumeAttachments of each PV, attached or not. `published`: the nodes of each volume at the backend.
    `uncleared`: the node ("" for every) of each volume whose newest operation left its record uncleared. `waiting`: of each volume
    that waits for a PV. `unsettled`: volumes that a node may have without a record. `gone` and `tracked` ask memory: is a node id
    none any more, and which nodes have a volume? `evacuates`: nodes may be evacuated without an operator's command.
    """

    attached: Mapping[str, Sequence[Attached]] | None
    published: Mapping[str, Set[str]] | None
    uncleared: Mapping[str, str]
    waiting: Mapping[str, Waits]
    unsettled: Set[str]
    gone: Callable[[str], bool]
    tracked: Callable[[str], Collection[str]]
    evacuates: bool = True


def compare(pv: CompactRecord, evidence: Evidence) -> Iterator[Drift]:
    """Yield the drifts of the volume of a PV that was just listed."""
    if pv.problem:
        yield _drift(DriftKind.UNREADABLE_RECORD, pv, "", f"The record of volume {pv.handle} can't be read: {pv.problem}")
        return
    for held in pv.held():
        found = _holder(pv, held, evidence)
        if found is not None:
            yield found
    yield from _attached(pv, evidence)
    yield from _strays(pv, evidence)


def compare_several(pvs: Sequence[CompactRecord], evidence: Evidence) -> Iterator[Drift]:
    """Yield the drifts of a volume that has several PVs; if one can't be read, or two disagree, only that drift."""
    unreadable = [pv for pv in pvs if pv.problem]
    why = disagreement(pvs)
    if why is not None:
        yield _drift(DriftKind.DUPLICATE_VOLUME, unite(pvs), "", str(why).removesuffix(why.advice).rstrip())
    if unreadable or why is not None:
        for pv in unreadable:
            yield from compare(pv, evidence)
    else:
        yield from compare(unite(pvs), evidence)


def unpersisted(handle: str, waits: Waits, pv: str, now: datetime) -> Drift | None:
    """Return the drift of an attachment that waits for a PV that already exists ("": it doesn't), or has waited for long."""
    if not pv and now - waits.since < WAITS_LONG:
        return None
    held = f"Volume {handle} is attached to node {waits.node_id} and not recorded since {_time(waits.since)}"
    why = f"{held}, although PersistentVolume {pv} exists." if pv else f"{held}, because it has no PersistentVolume."
    return Drift(kind=DriftKind.UNPERSISTED, volume_handle=handle, node_id=waits.node_id, pv=pv, since=waits.since, why=why)


def behind(fresh: CompactRecord | None, known: CompactRecord | None, worker: str) -> Drift | None:
    """Return the drift of a worker's index that differs from the PV (None: there is none), or None if they agree."""
    if fresh is None and known is not None:
        why = f"The index of worker {worker} knows PersistentVolume {known.pv} of volume {known.handle}, which is gone."
        return _drift(DriftKind.INDEX_BEHIND, known, "", why, Heal.REBUILD)
    if fresh is None or (known is not None and (known.outlasts(fresh) or _same(fresh, known))):
        return None
    indexed = f"it is at epoch {known.fence}" if known is not None else "it is unknown"
    place = f"in the index of worker {worker} {indexed}"
    why = f"PersistentVolume {fresh.pv} of volume {fresh.handle} is at epoch {fresh.fence}; {place}."
    return _drift(DriftKind.INDEX_BEHIND, fresh, "", why, Heal.REBUILD)


def release(drift: Drift, driver: str, node: NodeUsage | None) -> Drift:
    """Mark the drift of a holder without VolumeAttachment for release if its node says that it doesn't use the volume."""
    unused = node is not None and unique_name(driver, drift.volume_handle) not in node.in_use
    if node is None or not node.ready or node.out_of_service or not unused:
        return drift
    why = drift.why.removesuffix(".") + "; the node is Ready and doesn't use it."
    return drift.model_copy(update={"heal": Heal.UNPUBLISH, "why": why})


def _same(fresh: CompactRecord, known: CompactRecord) -> bool:
    if fresh.problem or known.problem:
        return bool(fresh.problem and known.problem)
    return fresh.fence == known.fence and (not known.sure or set(fresh.nodes) == set(known.nodes))


def _holder(pv: CompactRecord, held: CompactHolder, evidence: Evidence) -> Drift | None:
    who = f"Volume {pv.handle} is recorded as held by node {held.node} since {_time(held.at)}"
    if evidence.uncleared.get(pv.handle) in ("", short(held.node)):
        why = f"{who}, but was unpublished from it, and the record could not be cleared then."
        return _drift(DriftKind.NOT_CLEARED, pv, held.node, why, Heal.UNPUBLISH, since=held.at)
    if evidence.gone(held.node):
        why = f"{who}, and there is no such node any more."
        heal = Heal.EVACUATE if evidence.evacuates else Heal.NONE
        return _drift(DriftKind.HOLDER_ON_GONE_NODE, pv, held.node, why, heal, since=held.at)
    if evidence.attached is not None and not _shown(evidence.attached.get(pv.pv, ()), held.node):
        why = f"{who}, and no VolumeAttachment asks for that."
        return _drift(DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT, pv, held.node, why, since=held.at)
    if evidence.published is not None and held.node not in evidence.published.get(pv.handle, ()):
        why = f"{who}, and the driver's list doesn't show it there."
        return _drift(DriftKind.UNKNOWN_TO_BACKEND, pv, held.node, why, since=held.at)
    return None


def _shown(attached: Sequence[Attached], node_id: str) -> bool:
    """Return whether a VolumeAttachment is of the node, or may be, as its node's id is unknown."""
    return any(each.node_id in (None, node_id) for each in attached)


def _attached(pv: CompactRecord, evidence: Evidence) -> Iterator[Drift]:
    """Yield the drifts of VolumeAttachments that are attached, remain so, and aren't recorded."""
    there = [each for each in (evidence.attached or {}).get(pv.pv, ()) if each.attached]
    known = {*pv.nodes, *(evidence.tracked(pv.handle) if there else ())}
    for each in there:
        if each.leaving or each.node_id in known or (each.node_id is None and known) or pv.handle in evidence.waiting:
            continue
        yield _unrecorded(pv, each, alone=len(there) == 1)


def _unrecorded(pv: CompactRecord, each: Attached, *, alone: bool) -> Drift:
    node = f"node {each.node_id}" if each.node_id else f"node {each.node}, whose CSI node id is unknown"
    why = f"VolumeAttachment {each.name} says that volume {pv.handle} is attached to {node}"
    exclusive = any(held.mode is None or not held.mode.multi_node for held in pv.held())
    if exclusive:
        kind, why, heal = DriftKind.VOLUME_ATTACHMENT_ELSEWHERE, f"{why}, but node {pv.nodes[0]} is recorded.", Heal.NONE
    else:
        never_written = not pv.fence and not pv.nodes
        kind, why = DriftKind.VOLUME_ATTACHMENT_WITHOUT_HOLDER, f"{why}, and no record says so."
        heal = Heal.ADOPT if never_written and alone and each.node_id else Heal.NONE
    drift = _drift(kind, pv, each.node_id or "", why, heal, since=each.since)
    return drift.model_copy(update={"volume_attachment": each.name})


def _strays(pv: CompactRecord, evidence: Evidence) -> Iterator[Drift]:
    """Yield the drifts of nodes that have the volume at the backend alone; none for a volume without a record, or in doubt."""
    shown = (evidence.published or {}).get(pv.handle, frozenset())
    strange = shown - set(pv.nodes)
    if not strange or not pv.fence or pv.handle in evidence.unsettled or pv.handle in evidence.waiting:
        return
    for node in sorted(strange - set(evidence.tracked(pv.handle))):
        why = f"Node {node} has volume {pv.handle} at the driver, and no record says so."
        # NB: a driver may list its nodes by names that are no node ids
        strange_name = evidence.gone(node) or not shown >= set(pv.nodes)
        yield _drift(DriftKind.UNKNOWN_TO_RECORD, pv, node, why, Heal.NONE if strange_name else Heal.UNPUBLISH_STRAY)


def _drift(
    kind: DriftKind, pv: CompactRecord, node_id: str, why: str, heal: Heal = Heal.NONE, *, since: datetime | None = None
) -> Drift:
    return Drift(
        kind=kind,
        volume_handle=pv.handle,
        node_id=node_id,
        epoch=pv.fence,
        pv=pv.pv,
        uid=unpack(pv.uid),
        since=since,
        why=why,
        heal=heal,
    )


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")

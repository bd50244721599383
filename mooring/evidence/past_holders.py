"""The possible holders of a volume beyond its PV, and their epoch: pure, from the available evidence.

Contract: the record that a newer operation left comes before that of a PV that is gone, and a record with the evidence beyond it
names all holders, so that `mooring.records.fence` decides on it like on any other.

Not kept here: gathering the evidence, and ordering it by age (evidence.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooring.evidence.operations import LastRun
    from mooring.index.departures import Departure
    from mooring.models import Attachment, VolumeRecord


@dataclass(slots=True)
class PastHolders:
    """The known holders by node id, the names of their PVs, and the grounds for the knowledge, in sentences.

    `operation` is the run that wrote it. `shown`: node id -> name of the VolumeAttachment that is evidence for the node.
    """

    holders: dict[str, Attachment] = field(default_factory=dict)
    epoch: int = 0
    operation: str = ""
    pvs: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def take_departure(self, departure: Departure) -> None:
        """Take in a PV that is gone."""
        seen = departure.seen
        self.pvs.update(departure.pvs.values())
        self.epoch, self.operation = seen.fence, seen.record().operation
        self.holders = {held.node_id: held for held in departure.holders}
        self.shown.update(departure.shown)
        if self.holders:
            held = f"while its record named node {' and '.join(self.holders)} at epoch {seen.fence}"
            self.words.append(f"PersistentVolume {seen.pv} was deleted {held}, and the volume has not been unpublished since.")

    def take_last(self, last: LastRun) -> None:
        """Take in the holders that a newer operation left, in place of those known before."""
        record = last.record
        self.pvs |= {record.mark.pv} - {""}
        self.epoch = max(self.epoch, last.epoch)
        self.operation = record.operation
        self.holders = {held.node_id: held for held in record.holders}
        self.shown = {**self.shown, **record.shown}
        self.words = [f"Its PersistentVolume doesn't say so, but {last.words}"] if self.holders else []

    def take_hold(self, held: Attachment | None) -> None:
        """Take in a node whose hold was terminated, if there is one, when nothing else is known."""
        if held is None:
            return
        self.holders[held.node_id] = held
        self.words.append(f"Its wait for a PersistentVolume was terminated, which leaves it with node {held.node_id}.")

    def take_shown(self, held: Attachment, volume_attachment: str, said: str) -> None:
        """Take in a node for which nothing but a VolumeAttachment speaks."""
        self.holders[held.node_id], self.shown[held.node_id] = held, volume_attachment
        self.words.append(said)

    def beyond(self, live: VolumeRecord) -> VolumeRecord:
        """Return the record with the evidence beyond it, or the very same if there is none."""
        holders = (*live.holders, *(held for node, held in self.holders.items() if live.holder(node) is None))
        more = len(holders) > len(live.holders)
        if not more and self.epoch <= live.epoch:
            return live
        return live.model_copy(
            update={
                "holders": holders,
                "operation": live.operation or self.operation,
                "floor": self.epoch,
                "evidence": " ".join(self.words) if more else "",
                "shown": {node: name for node, name in self.shown.items() if node in self.holders},
            }
        )


def lowered(live: VolumeRecord, left: VolumeRecord) -> bool:
    """Return whether a PV says a lower epoch than an operation knew of it."""
    epochs = {mark.uid: mark.epoch or 0 for mark in live.marks}
    return any(
        mark.uid in epochs and epochs[mark.uid] < max(mark.epoch or 0, left.floor if left.altered else 0) for mark in left.marks
    )


def altered(live: VolumeRecord, seen: VolumeRecord) -> VolumeRecord:
    """Return the record of a PV that says less than it was seen to say."""
    known = PastHolders({held.node_id: held for held in seen.holders}, max(seen.epoch, seen.floor), seen.operation)
    return known.beyond(live).model_copy(update={"altered": True, "operation": seen.operation})

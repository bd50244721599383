"""The PVs that were deleted while their records named holders, which are not known to have released the volume.

Contract: a departure is open until a record of the volume is written above its epoch, or every node of it is known to have released
it. The last `SETTLED` of the latter are remembered, since older evidence may still name their nodes.

Not kept here: other evidence about such a volume (mooring/evidence/evidence.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from mooring.models import Attachment
from mooring.records.compact import CompactRecord
from mooring.records.copies import unite

MAX_SETTLED: Final = 1000


@dataclass(slots=True)
class Departure:
    """A PV that is gone: its last record, the nodes that have released since, and the VolumeAttachments that named the others.

    `shown`: node id -> name of the VolumeAttachment. `pvs`: the name of the PV by its uid; of several PVs of the volume that are
    gone, each, and `seen` is their united record. `heeded`: the newest operation of those that were examined since, "" for none.
    """

    seen: CompactRecord
    released: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)
    heeded: str = ""
    pvs: dict[int | str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the PV that was seen."""
        self.pvs = {self.seen.uid: self.seen.pv}

    @property
    def holders(self) -> tuple[Attachment, ...]:
        """The holders that have not released the volume."""
        return tuple(held for held in self.seen.attachments() if held.node_id not in self.released)

    def add(self, gone: CompactRecord) -> None:
        """Take in another PV of the volume: a node that any of them named has not released, unless it was removed from this one."""
        self.released -= set(gone.nodes)
        self.heeded = ""
        self.pvs[gone.uid] = gone.pv
        left = replace(self.seen, at=None, holders=tuple(held for held in self.seen.held() if held.node not in self.released))
        self.seen = unite([left, gone])


class Departures:
    """The departures of one driver, by volume handle."""

    __slots__ = ("_open", "_settled")

    def __init__(self) -> None:
        self._open: dict[str, Departure] = {}
        self._settled: dict[str, Departure] = {}

    def __len__(self) -> int:
        return len(self._open)

    def note(self, gone: CompactRecord, beside: Iterable[CompactRecord]) -> None:
        """Remember a PV that is gone, if nodes held it; `beside` are the remaining PVs of the same volume."""
        left = list(beside)
        if not gone.nodes or any(other.fence >= gone.fence and set(other.nodes) >= set(gone.nodes) for other in left):
            return
        epoch = max((gone.fence, *(other.fence for other in left)))
        known, gone = self.get(gone.handle), replace(gone, epoch=epoch or None)
        if known is not None and gone.uid in known.pvs:
            return
        if gone.handle in self._open:
            self._open[gone.handle].add(gone)
        elif known is None or known.seen.fence <= epoch:
            self._settled.pop(gone.handle, None)
            self._open[gone.handle] = Departure(gone)

    def get(self, handle: str) -> Departure | None:
        """Return the departure, settled or not, or None if no PV of the volume is gone."""
        return self._open.get(handle) or self._settled.get(handle)

    def open(self) -> list[Departure]:
        """Return those that a node has not released; the list is the caller's."""
        return list(self._open.values())

    def let_go(self, handle: str, node_id: str) -> None:
        """Note that a node, or every one for "", no longer holds the volume."""
        departure = self._open.get(handle)
        if departure is None:
            return
        departure.released.update([node_id] if node_id else departure.seen.nodes)
        if not departure.holders:
            self._settled[handle] = self._open.pop(handle)
            for oldest in list(self._settled)[:-MAX_SETTLED]:
                del self._settled[oldest]

    def written(self, handle: str, epoch: int) -> None:
        """Forget what a record at this epoch was written above."""
        departure = self.get(handle)
        if departure is not None and departure.seen.fence < epoch:
            self._open.pop(handle, None)
            self._settled.pop(handle, None)

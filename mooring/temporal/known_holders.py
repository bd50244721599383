"""The holders of a volume, as one run knew them: by the results of its steps, in order.

Contract: `held_by` and `epoch` are the last that the run read from or wrote to the record itself, not an index, or knew of a
volume without one.

Not kept here: the events that these results are decoded from (run_reader.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# The activities that say something of the record, by type: see activities/.
_RECORDS: Final = frozenset({"look_at_volume", "record_attachment", "release_attachment", "persist_attachment", "undo_attachment"})
_OBSERVE: Final = "observe_volume"
_FIND: Final = "find_unpersisted"
_ENDED: Final = ("drop_unpersisted", "outwait_unpersisted")


@dataclass(slots=True)
class KnownHolders:
    """The holders that a run knew last, None if it had not looked, and the record that it knew them by."""

    held_by: tuple[str, ...] | None = None
    epoch: int | None = None
    record: dict[str, Any] | None = None
    """The record that it read or wrote last, if the volume has one."""
    looked: bool = False
    """True if it read or wrote the record, or saw that there is none; otherwise it knew of a waiting attachment at most."""
    waits: tuple[str, ...] = ()
    """The node that it last found to hold the volume until a PV appears, if any."""
    waited: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The attachments that it found waiting at any time, by node."""
    unplaced: bool = False
    """True if VolumeAttachments that nothing places might be of the volume, as far as it looked last."""
    let_go: str = ""
    """The node that it took back, where its PV had gone."""
    highest: int = 0
    """The highest epoch that it knew at any time, of whichever PV: what it asked of the backend bears that one's token."""

    def learn(self, activity: str, result: Any) -> None:
        """Take in the result of a step, by the type of its activity."""
        if activity in _RECORDS:
            self._read(result)
        elif activity == _OBSERVE:
            self._heard_of(result.get("record"))
            if (waiting := result.get("waiting")) is not None:
                self._found(waiting)
            if (written := (result.get("made") or {}).get("result")) is not None:
                self._read(written)
        elif activity == _FIND:
            self._found(result)
        elif activity in _ENDED:
            self.waits, self.held_by = (), self._beside_record()

    def add_unrecorded(self, node: str) -> None:
        """Note a node that holds the volume without a record, beside the recorded holders."""
        self.held_by, self.epoch = self._beside_record(node), 0

    def note_let_go(self, node: str) -> None:
        """Note the node that the run took back, where its PV had gone."""
        self.let_go = node
        self.remove(lambda held: held == node)

    def remove(self, leaves: Callable[[str], bool]) -> None:
        """Remove the holders from which the run took the volume."""
        self.held_by = tuple(node for node in self.held_by or () if not leaves(node))

    def _found(self, waiting: Any) -> None:
        """Note the attachment that waits for a PV, or None: a look at the PVs says nothing of it."""
        self.waits = (waiting["attachment"]["node_id"],) if waiting else ()
        if waiting:
            self.waited[waiting["attachment"]["node_id"]] = waiting["attachment"]
            self.add_unrecorded(*self.waits)

    def _beside_record(self, *nodes: str) -> tuple[str, ...]:
        """Return the recorded holders and these nodes, which hold the volume without a record and change nothing of it."""
        record = self.record or {}
        copies = (record, *record.get("others", ()))
        recorded = (held["node_id"] for copy in copies for held in copy.get("holders") or ())
        return tuple(dict.fromkeys((*recorded, *nodes)))

    def _read(self, result: dict[str, Any]) -> None:
        """Note what a look at the PVs, or a write, has returned."""
        self._saw(result.get("record") or result.get("departed"))
        self.unplaced = bool(result.get("unplaced"))

    def _saw(self, record: Any) -> None:
        """Note the record that the run saw, or None if there is none."""
        self.record, self.looked = record, True
        self.held_by = self._beside_record(*self.waits)
        self.epoch = _epoch(record) if record else 0
        self._heard_of(record)

    def _heard_of(self, record: Any) -> None:
        """Note the epochs of a record, which may be an index's."""
        others = record.get("others", ()) if record else ()
        self.highest = max((self.highest, *(_epoch(copy) for copy in (record, *others) if copy)))


def _epoch(record: dict[str, Any]) -> int:
    written: int = record["mark"]["epoch"] or 0
    floor: int = record.get("floor", 0)
    return max(written, floor)

"""The holders of a volume by its operations together: pure, from what each of them knew and did, read newest first.

Contract: an operation that was refused keeps the holders it was refused for, so the knowledge of a volume outlasts the run that
attached it for as long as operations are requested. Its knowledge from others is not final: visibility may have listed the
operations since the one that it cites too late for it. So these are read as well, for the nodes that they took the volume from, and
for those that a later record names. An unpublish that knew no record of the volume is final on the nodes that it took it from, and
on no other.

Not kept here: finding the operations (last_run.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from mooring import names
from mooring.records.past import Past, conclude
from mooring.temporal.run_reader import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from datetime import datetime, timedelta

    from mooring.models import VolumeRecord

PUBLISH: Final = OPERATIONS[names.PUBLISH]
UNPUBLISH: Final = OPERATIONS[names.UNPUBLISH]


@dataclass(frozen=True, slots=True)
class LastRun:
    """An operation that has ended, and its result: `record` is the last that it knew, with the holders that it left.

    `unrecorded`: the nodes among these whose only evidence was a run of PersistAttachment. `let_go`: the node that it took back, if
    the PV that it had acquired it on was gone. `frees` says whether it took the volume from a node. `knew`: it is final on every
    node, as it knew all there was to know. `attached`: the node that it published the volume to, "" if it failed. `highest`: the
    highest epoch that it knew at any time, be it of a PV that went meanwhile. `unplaced`: VolumeAttachments that nothing placed
    might be of the volume, so it outdates none of them. `asked_at`: the time of its request, which for a run that was reset is
    before its start. `since`: the unpublishes that say more than it.
    """

    run_id: str
    operation: str
    node_id: str
    started_at: datetime
    record: VolumeRecord
    unrecorded: frozenset[str]
    let_go: str
    frees: Callable[[str], bool]
    knew: bool
    attached: str = ""
    highest: int = 0
    unplaced: bool = False
    asked_at: datetime | None = None
    since: tuple[LastRun, ...] = ()

    @property
    def epoch(self) -> int:
        """The highest epoch that it knew."""
        return max(self.record.epoch, self.record.floor, self.highest)

    @property
    def heard(self) -> bool:
        """True if it relied on others' records, and may have missed the operations since, which were not listed yet."""
        if self.record.operation:
            return self.record.operation != self.run_id
        return not self.record.holders or any(held.node_id not in self.unrecorded for held in self.record.holders)

    @property
    def words(self) -> str:
        """Its statement, as a sentence."""
        nodes = " and ".join(held.node_id for held in self.record.holders) or "nobody"
        at = f" at epoch {self.epoch}" if self.epoch else ""
        where = f" for node {self.node_id}" if self.node_id else ""
        return (
            f"the last operation that knew its holders, the {self.operation}{where} of run {self.run_id}, left it with {nodes}{at}."
        )

    def lets_go(self, node_id: str) -> bool:
        """Return whether a node that held the volume before it holds it no longer."""
        return self.frees(node_id) if not self.knew else self.record.holder(node_id) is None

    def outdates(self, node_id: str, noted: datetime, skew: timedelta) -> bool:
        """Return whether it says more of the node than what another clock noted then: in doubt it doesn't."""
        newer = conclude(noted, None, [self.started_at], skew) is Past.DETACHED
        return newer and ((self.knew and not self.unplaced) or self.frees(node_id))

    def followed_by(self, since: Sequence[LastRun]) -> LastRun:
        """Return the same, less what these unpublishes took away."""
        left = tuple(held for held in self.record.holders if not any(run.frees(held.node_id) for run in since))
        return replace(self, record=self.record.model_copy(update={"holders": left}), since=tuple(since))

    @property
    def without_record(self) -> frozenset[str]:
        """The nodes that it attached itself, or found waiting for a PV, whatever the record said."""
        return self.unrecorded | ({self.attached} - {""})

    def beside(self, heard: LastRun, nodes: Container[str]) -> LastRun:
        """Return the same with those of a later one's holders that are these nodes, at the highest epoch that either knew."""
        waits = tuple(held for held in heard.record.holders if held.node_id in nodes and self.record.holder(held.node_id) is None)
        known = {"holders": (*self.record.holders, *waits), "floor": max(self.epoch, heard.epoch)}
        return replace(self, record=self.record.model_copy(update=known), unrecorded=self.unrecorded | heard.unrecorded)


@dataclass(slots=True)
class OperationsRead:
    """The operations of one volume as they are read, the newest first. The clocks that timed them differ by `skew` at most."""

    skew: timedelta
    _since: list[LastRun] = field(default_factory=list)
    _waits: LastRun | None = None
    _knew: LastRun | None = None
    _highest: int = 0
    _later: frozenset[str] = frozenset()
    """The nodes that the operations read behind `heard`, or it itself, had without a record: an older one says nothing of them."""

    def take(self, run: LastRun | None, epoch: int = 0) -> bool:
        """Take in the next, None if it knew no holders; return whether it is the first that did.

        `epoch`: the highest that it knew, at which the backend may have been called though it knew no holders.
        """
        self._highest = max(self._highest, epoch)
        if run is None:
            return False
        if run.knew:
            self._knew, self._later = run, run.without_record
        elif run.operation == UNPUBLISH:
            self._since.append(run)
        else:
            self._waits = self._waits or run
        return run.knew

    @property
    def heard(self) -> LastRun | None:
        """The one that knew the holders, if it relied on others' records; else None."""
        return self._knew if self._knew is not None and self._knew.heard else None

    def take_older(self, run: LastRun | None) -> bool:
        """Take in the next of those between `heard` and the one it cites; return whether no more need be read."""
        heard = self._knew
        if run is None or heard is None:
            return False
        if run.record.operation == run.run_id:
            self._go_by(run, heard)
            return True
        if run.operation == UNPUBLISH:
            self._since.append(self._after(heard, run))
        self._later |= run.without_record
        return False

    @property
    def left(self) -> LastRun | None:
        """The state that the volume was left in; if none knew: the node that waited for a PV, else the newest unpublish."""
        found = self._found
        return found and replace(found, highest=max(found.highest, self._highest))

    @property
    def _found(self) -> LastRun | None:
        if self._knew is not None:
            return self._knew.followed_by(self._since)
        return self._waits or (self._since[0].followed_by(self._since[1:]) if self._since else None)

    def _go_by(self, wrote: LastRun, heard: LastRun) -> None:
        """Rely on a run that wrote the record after the one cited; a record that no run wrote may be younger than it."""
        if heard.record.operation or not heard.record.holders:
            self._knew = wrote.beside(heard, self._later)
            self._since += [replace(heard, knew=False)] if heard.operation == UNPUBLISH else []
        elif wrote.operation == UNPUBLISH:
            self._since.append(self._after(heard, wrote))

    def _after(self, heard: LastRun, unpublish: LastRun) -> LastRun:
        """Return the unpublish with the nodes that it took away from those of `heard`, and no others."""
        last = self._later
        since = {} if heard.record.operation else {held.node_id: held.attached_at for held in heard.record.holders}

        def frees(node: str) -> bool:
            took = unpublish.frees(node) and node not in last
            return took and (node not in since or unpublish.outdates(node, since[node], self.skew))

        return replace(unpublish, knew=False, frees=frees)

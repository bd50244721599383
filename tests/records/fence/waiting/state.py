"""The parts of a state of the search. Records, marks and writes are those of the other explorer."""

from __future__ import annotations

from typing import NamedTuple

from mooring.records.holds import Fate
from tests.records.fence.explorer.state import ALL, NOBODY, NODES, Mark, Record, Write

__all__ = ["ALL", "NOBODY", "NODES", "START", "Fate", "Found", "Hold", "Look", "Mark", "Move", "Record", "Run", "World", "Write"]


class Hold(NamedTuple):
    """An open PersistAttachment run: of this node, begun by this operation.

    `fate` is that of the operation, `learnt` whether it knows that the hold has begun. `step`: begins, unsettled, waits, acquire,
    undo, undoing. `asker` is the operation for which it is ending, 0 for an operator; `signed` are those in whose place it goes on.
    `revived`: it was reset after it had ended, `forgotten`: so long ago that this is unknown.
    """

    number: int
    node: str
    operation: int
    fate: Fate = Fate.OPEN
    learnt: bool = False
    step: str = "begins"
    settled: bool = False
    ending: bool = False
    asker: int = 0
    signed: tuple[int, ...] = ()
    revived: bool = False
    forgotten: bool = False
    write: Write | None = None
    wrote: bool = False
    renews: bool = False

    @property
    def is_known_over(self) -> bool:
        """True if an operation that finds it learns that it was reset after it had ended."""
        return self.revived and not self.forgotten


class Found(NamedTuple):
    """A hold as `by` found it."""

    number: int
    node: str
    parent: int
    ending: bool
    by: int
    over: bool = False


class Look(NamedTuple):
    """A look of an operation: at the PV if `live`, else at the index. `by` looked; `departed` is the record of a PV that went."""

    record: Record | None
    live: bool
    by: int
    departed: Record | None = None

    @property
    def holders(self) -> tuple[str, ...]:
        """The nodes that hold the volume, as far as it is known."""
        known = self.record or self.departed
        return known.holders if known else ()


class Run(NamedTuple):
    """An operation, the step it is at, and what it knows by its history; `then` is where a step goes on that has several ways on.

    `started` is the hold that it has begun and counts on, `own` are all that it has begun, and those
    that go on in their place, as far as it has seen them; `had`: its node held when the PV went.
    """

    kind: str
    node: str
    operation: int
    step: str = "observe"
    then: str = ""
    waiting: Found | None = None
    found: Found | None = None
    started: int = 0
    answer: Found | None = None
    look: Look | None = None
    write: Write | None = None
    record: Record | None = None
    renews: bool = False
    acquired: int = NOBODY
    may_land: bool = False
    begun: bool = False
    recorded: bool = False
    has_begun: bool = False
    own: tuple[int, ...] = ()
    had: bool = False

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes it is about."""
        return frozenset(NODES if self.node == ALL else (self.node,))

    @property
    def name(self) -> str:
        """Its name in a trace."""
        return f"{self.kind} {self.node} (operation {self.operation})"

    @property
    def left(self) -> bool:
        """True if a publish may have left something."""
        return self.may_land or self.begun or bool(self.started) or self.recorded


class World(NamedTuple):
    """Everything at one moment.

    `makers` made the PV's holders holders; `late` is a hold that may still start; `flying` are attempts that nobody waits for;
    `backend` the nodes it has attached. `believed` were reported to have the volume, `gone` to be off it; `loose` are nodes of
    operations that were cut off, `forced` those whose hold an operator has ended, `came` those whose record came with the PV during
    the open operation, or whose hold turned up then. `asks` are the requests to end a hold that are under way although their
    operation is over: hold, operation. `remembered` is where a reset would return, `over` the hold that ended last, `resets` how
    often holds were reset; `known` what is known beyond the PV, of one that went, and `went` how many have gone.
    """

    pv: Record | None = None
    makers: tuple[int, ...] = ()
    run: Run | None = None
    hold: Hold | None = None
    late: Hold | None = None
    flying: frozenset[Write] = frozenset()
    backend: frozenset[str] = frozenset()
    believed: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    loose: frozenset[str] = frozenset()
    forced: frozenset[str] = frozenset()
    came: frozenset[str] = frozenset()
    asks: frozenset[tuple[int, int]] = frozenset()
    over: Hold | None = None
    resets: int = 0
    known: Record | None = None
    went: int = 0
    remembered: Run | None = None
    broken: str = ""
    operations: int = 0
    held: int = 0

    @property
    def made(self) -> dict[str, int]:
        """The PV's holders, and who made each one."""
        record = self.known or self.pv
        return dict(zip(record.holders if record else (), self.makers, strict=True))

    @property
    def seen(self) -> Record | None:
        """The record that a look at the PV returns."""
        if self.pv is None or self.pv.epoch or self.known is None:
            return self.pv
        return Record(self.pv.uid, 0, self.known.holders, self.known.operation, floor=self.known.epoch)

    def look(self, by: int) -> Look:
        """Return what `by` sees of the volume now."""
        return Look(self.seen, live=True, by=by, departed=None if self.pv else self.known)

    def without(self, nodes: frozenset[str]) -> World:
        """Return the world in which these nodes are known to have let go."""
        if self.known is None:
            return self
        made = {node: maker for node, maker in self.made.items() if node not in nodes}
        return self._replace(known=self.known._replace(holders=tuple(made)), makers=tuple(made.values()))

    def find(self, by: int) -> Found | None:
        """Return the hold as `by` finds it."""
        hold = self.hold
        return hold and Found(hold.number, hold.node, hold.operation, hold.ending, by, hold.is_known_over)

    def forgetting(self, hold: Hold) -> World:
        """Return the world in which nobody knows any more that the hold is over, so that its node may be a holder again."""
        came = self.came | {hold.node} if self.run else self.came
        return self._replace(hold=hold._replace(forgotten=True), gone=self.gone - {hold.node}, came=came)

    def is_open(self, number: int) -> bool:
        """Return whether this hold is open."""
        return self.hold is not None and self.hold.number == number


Move = tuple[str, World]
"""An event in words, and the state after it."""

START = World()

"""What a state of the search is made of. Records, marks and writes are those of the other explorer."""

from __future__ import annotations

from typing import NamedTuple

from mooring.holds import Fate
from tests.fence.explorer.state import ALL, NOBODY, NODES, Look, Mark, Record, Write

__all__ = ["ALL", "NOBODY", "NODES", "START", "Fate", "Found", "Hold", "Look", "Mark", "Move", "Record", "Run", "World", "Write"]


class Hold(NamedTuple):
    """An open PersistAttachment run: of this node, begun by this operation.

    `fate` is that of the operation, `learnt` whether it was told that the hold has begun. `step`: begins, unsettled, waits, claim,
    undo, undoing. `asker` is the operation for which it is ending, 0 for an operator; `signed` are those in whose place it goes on.
    `revived`: it was reset after it had ended.
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
    write: Write | None = None
    wrote: bool = False
    reclaims: bool = False


class Found(NamedTuple):
    """A hold as `by` found it."""

    number: int
    node: str
    parent: int
    ending: bool
    by: int
    over: bool = False


class Run(NamedTuple):
    """An operation, where it stands, and what its history tells it; `then` is where a step goes on that has several ways on.

    `started` is the hold that it has begun and counts on, `own` the last that it has begun.
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
    reclaims: bool = False
    stayed: bool = False
    claimed: int = NOBODY
    may_land: bool = False
    begun: bool = False
    recorded: bool = False
    has_begun: bool = False
    own: int = 0

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes it is about."""
        return frozenset(NODES if self.node == ALL else (self.node,))

    @property
    def name(self) -> str:
        """How a trace names it."""
        return f"{self.kind} {self.node} (operation {self.operation})"

    @property
    def left(self) -> bool:
        """Whether a publish may have left something."""
        return self.may_land or self.begun or bool(self.started) or self.recorded


class World(NamedTuple):
    """Everything at one moment.

    `makers` made the PV's holders holders; `late` is a hold that may still start; `flying` are attempts that nobody waits for;
    `backend` the nodes it has attached. `believed` were told to have the volume, `gone` to be off it; `loose` are nodes of
    operations that were cut off, `forced` those whose hold an operator has ended, `came` those whose record came with the PV during
    the open operation. `asks` are the requests to end a hold that are under way although their operation is over: hold, operation.
    `remembered` is where a reset would return, `over` the hold that ended last, `resets` how often holds were reset.
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
    remembered: Run | None = None
    broken: str = ""
    operations: int = 0
    held: int = 0

    @property
    def made(self) -> dict[str, int]:
        """The PV's holders, and who made each one."""
        return dict(zip(self.pv.holders if self.pv else (), self.makers, strict=True))

    def find(self, by: int) -> Found | None:
        """What `by` finds of the hold."""
        hold = self.hold
        return hold and Found(hold.number, hold.node, hold.operation, hold.ending, by, hold.revived)

    def is_open(self, number: int) -> bool:
        """Whether this hold is open."""
        return self.hold is not None and self.hold.number == number


Move = tuple[str, World]
"""What happened, in words, and the state after it."""

START = World()

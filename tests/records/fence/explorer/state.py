"""The parts of a state of the search: plain tuples, quick to compare and to hash.

An operation is known by a number, its run id. `NOBODY` signs a record that no operation has written yet.
"""

from __future__ import annotations

from typing import NamedTuple

NOBODY = 0
NODES = ("A", "B")
ALL = "all nodes"


class Mark(NamedTuple):
    """The mark that an attempt tests: the PV's uid, the epoch (0: none yet) and the first holder ("": none)."""

    uid: int
    epoch: int
    node: str


class Record(NamedTuple):
    """A PV's record. If the PV has no epoch and more is known, `floor` is the epoch that is known, and so are the others: the PV
    itself names nobody. `altered`: it is known of this very PV.
    """

    uid: int
    epoch: int
    holders: tuple[str, ...]
    operation: int
    floor: int = 0
    altered: bool = False

    @property
    def mark(self) -> Mark:
        """The mark that a write decided on this record tests."""
        return Mark(self.uid, self.epoch, self.holders[0] if self.holders and not self.floor else "")

    @property
    def told(self) -> str:
        """Its name in a trace."""
        by = f", by operation {self.operation}" if self.operation else ""
        known = f" (known from epoch {self.floor})" if self.floor else ""
        return f"PV {self.uid}, epoch {self.epoch}: {' and '.join(self.holders) or 'nobody'}{by}{known}"


class Write(NamedTuple):
    """A compare-and-set, decided. `aim` is its purpose, such as "acquire A"; `floor` the epoch that is known beyond the mark's."""

    mark: Mark
    holders: tuple[str, ...]
    operation: int
    aim: str
    floor: int = 0


class Call(NamedTuple):
    """A call of the driver: `attach` or `detach`, the node ("all nodes", too), and the fencing token."""

    verb: str
    node: str
    token: int

    @property
    def told(self) -> str:
        """Its name in a trace."""
        return f"{self.verb} {self.node} with token {self.token}"


class Driver(NamedTuple):
    """A driver's memory: the nodes that have the volume, and the call with the highest token; and the `calls` that hang in it."""

    attached: frozenset[str] = frozenset()
    last: Call | None = None
    calls: frozenset[Call] = frozenset()

    @property
    def highest(self) -> int:
        """The highest token that it has seen."""
        return self.last.token if self.last else 0


class Look(NamedTuple):
    """A look of an operation: at the PV if `live`, else at the index. `by` is the run that looked."""

    record: Record | None
    live: bool
    by: int


class Run(NamedTuple):
    """An operation: what it is, the step it is at, and what it knows by its history.

    `acquired` is the operation that signed its last acquisition to land, by the answer; NOBODY before.

    With a driver: `call` is what it waits for, `tried` before or `cancelled` as may be; `begun`, whether an attach may be
    carried out, and `asked`, the highest epoch of one; `detached`, which node the driver has detached at which epoch.

    `local`: its attempt is a local activity of its first workflow task, of which no history knows. `again`: its history says that
    its first task was begun before, so that such an attempt may be under way.
    """

    kind: str
    node: str
    operation: int
    step: str
    look: Look | None = None
    write: Write | None = None
    renews: bool = False
    acquired: int = NOBODY
    record: Record | None = None
    call: Call | None = None
    tried: bool = False
    begun: bool = False
    asked: int = 0
    detached: frozenset[tuple[str, int]] = frozenset()
    cancelled: bool = False
    local: bool = False
    again: bool = False

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes it is about."""
        return frozenset(NODES if self.node == ALL else (self.node,))

    @property
    def name(self) -> str:
        """Its name in a trace."""
        return f"{self.kind} {self.node} (operation {self.operation})"


class World(NamedTuple):
    """Everything at one moment.

    `known` is what is known beyond the PV: the record that went with the PV before it, or was taken off it; None once a record is
    written. `makers` are the operations that made the holders holders, those that are known if not the PV's; `flying` the attempts
    that nobody waits for any longer; `past` the records the index may still show; `remembered` where a reset would return.
    `believed` are the nodes whose publish succeeded and whose unpublish hasn't started; `gone` those reported off the volume,
    with no publish of them started since. `broken` is what a step did that it must not.
    """

    pv: Record | None
    makers: tuple[int, ...] = ()
    run: Run | None = None
    flying: frozenset[Write] = frozenset()
    past: frozenset[Record] = frozenset()
    remembered: Run | None = None
    believed: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    broken: str = ""
    operations: int = 0
    volumes: int = 1
    driver: Driver | None = None
    known: Record | None = None

    @property
    def holders(self) -> tuple[str, ...]:
        """The nodes that hold the volume, as far as it is known."""
        record = self.known or self.pv
        return record.holders if record else ()

    @property
    def made(self) -> dict[str, int]:
        """The holders, and who made each one."""
        return dict(zip(self.holders, self.makers, strict=True))

    def forgets(self, nodes: frozenset[str]) -> World:
        """Return the world in which these nodes are known to have let go."""
        if self.known is None:
            return self
        made = {node: maker for node, maker in self.made.items() if node not in nodes}
        return self._replace(known=self.known._replace(holders=tuple(made)), makers=tuple(made.values()))


Move = tuple[str, World]
"""An event in words, and the state after it."""

START = World(pv=Record(uid=1, epoch=0, holders=(), operation=NOBODY))
START_WITH_DRIVER = World(pv=Record(uid=1, epoch=1, holders=(), operation=NOBODY), driver=Driver())
"""NB: a record without an epoch has no token, so nothing of it is fenced at a driver."""

"""The parts of a state of the search: plain tuples, quick to compare and to hash. An operation is known by a number."""

from __future__ import annotations

from typing import NamedTuple

NODES = ("A", "B")
OUTDATED = 1
"""The epoch of a record that an index shows and no PV says: none ever has it, as the first PV starts above."""


class Pv(NamedTuple):
    """A PV and its record. Its `name` may be another's later, its `uid` never. `beside`: PVs that bear the record too."""

    uid: int
    name: str
    epoch: int = 0
    holders: tuple[str, ...] = ()
    operation: int = 0
    beside: frozenset[str] = frozenset()

    @property
    def mark(self) -> Mark:
        """The mark that a write decided on this PV tests."""
        return Mark(self.uid, self.name, self.epoch, self.holders[0] if self.holders else "")

    @property
    def told(self) -> str:
        """Its name in a trace."""
        return f"{self.name}/{self.uid} at {self.epoch}: {' and '.join(self.holders) or 'nobody'}"


class Mark(NamedTuple):
    """The mark that an attempt tests on one PV."""

    uid: int
    name: str
    epoch: int
    node: str


class Write(NamedTuple):
    """A compare-and-set of several PVs, decided; `holders` are those of each."""

    marks: tuple[Mark, ...]
    holders: tuple[tuple[str, ...], ...]
    epoch: int
    operation: int

    def beside(self, place: int) -> frozenset[str]:
        """Return the PVs that the record on this one leads to."""
        return frozenset(mark.name for mark in self.marks if mark != self.marks[place])


class Attempt(NamedTuple):
    """An attempt at a write, which has got past the first `done` of its PVs."""

    write: Write
    done: int = 0


class Run(NamedTuple):
    """The open operation. `step`: "observe", "look", "write", or those of a rollback, "undo look" and "undo".

    `known`: the PVs it has seen, by name. `renews`: the node held before its present acquisition, `stayed`: before an earlier one;
    `held`: by what the PVs really said. `may_land`: some attempt of an acquisition may be under way. `first`: the present attempt
    is the first of its step.
    """

    kind: str
    node: str
    operation: int
    step: str = "observe"
    attempt: Attempt | None = None
    known: frozenset[str] = frozenset()
    renews: bool = False
    stayed: bool = False
    held: bool = False
    may_land: bool = False
    first: bool = True

    @property
    def name(self) -> str:
        """Its name in a trace."""
        return f"{self.kind} {self.node} (operation {self.operation})"


View = frozenset[tuple[int, str]]


class World(NamedTuple):
    """Everything at one moment.

    `views`: the PVs that there were at each moment, by uid and name. `flying`: attempts that nobody waits for. `believed`: each
    node whose publish succeeded and whose unpublish hasn't started, with the PVs it is recorded on. `gone`: those reported off,
    with no publish of them started since. `terminated`: operations that were. `token`: the highest that a driver was given.
    """

    pvs: frozenset[Pv]
    views: frozenset[View]
    run: Run | None = None
    flying: frozenset[Attempt] = frozenset()
    believed: frozenset[tuple[str, frozenset[int]]] = frozenset()
    gone: frozenset[str] = frozenset()
    terminated: frozenset[int] = frozenset()
    operations: int = 0
    created: int = 1
    deleted: int = 0
    token: int = 0
    broken: str = ""


EPOCH = 2
"""The epoch of a PV that no operation has written yet; it stands for none."""

Move = tuple[str, World]
START = World(frozenset({Pv(1, "pv-x", EPOCH)}), frozenset({frozenset({(1, "pv-x")})}), gone=frozenset(NODES))

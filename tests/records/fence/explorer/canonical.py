"""The renaming of states that are one: each becomes the one that represents all states that no decision distinguishes from it.

The package's docstring says why each renaming is sound. A state so renamed is a state like any other, and the search goes on
from it. Only for rules whose API server tests all of a mark (`Rules.exact` is False).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.records.fence.explorer.decisions import DECIDING, decide
from tests.records.fence.explorer.rules import Rules
from tests.records.fence.explorer.state import NOBODY, NODES, Look, Mark, Record, Run, World, Write

_PRESENT = 2
_ANOTHER = -1
"""An operation yet to come."""

_FORMER = -2
"""The former self that looked, where nothing it may write can land."""

_ENOUGH = 9
"""More operations than one state tells apart, so that the next one's number is new."""

_AFTER_REFUSAL = {"acquire": "look", "describe": "look", "release": "look", "undoing": "undo"}
"""Step that follows an attempt that can't land, by the attempt's: the run is shown the PV, as by a look."""


def canonical(world: World, rules: Rules, any_index: bool) -> World:
    """Return the state that represents all that are like this one."""
    first = first_told_apart(world)
    if first:
        return _renamed(world if first == NODES[0] else mirrored(world), rules, any_index)
    return min((_renamed(twin, rules, any_index) for twin in (world, mirrored(world))), key=_order)


@dataclass(slots=True)
class _Names:
    """The new numbers of one state's operations, and its PV, by which epochs are counted."""

    rules: Rules
    pv: Record | None
    numbers: dict[int, int]

    @classmethod
    def of(cls, world: World, rules: Rules) -> _Names:
        names = cls(rules, world.pv, {})
        known = [world.run.operation] if world.run else []
        known += [number for run in (world.run, world.remembered) if run for number in names.compared(run)]
        names.numbers = {number: place for place, number in enumerate(dict.fromkeys(known), start=1)}
        return names

    def compared(self, run: Run) -> list[int]:
        """Return the operations that the run may yet compare with the one that signed a record, besides its own."""
        signed = [run.write.operation] if run.write and self.write_matters(run.write) else []
        undoes = run.look is not None and run.step == "undo looked" and self.present(run.look.record)
        return [*signed, run.look.by] if run.look and undoes else signed

    def write_matters(self, write: Write) -> bool:
        return self.pv is not None and (self.rules.passes(write.mark, self.pv) or self.rules.landed(write, self.pv))

    def operation(self, number: int) -> int:
        return self.numbers.get(number, NOBODY)

    def write(self, write: Write) -> Write:
        can_land = self.pv is not None and self.rules.passes(write.mark, self.pv)
        epoch, floor = (self.epoch, int(write.floor > 0)) if can_land else (_PRESENT - 1, 0)
        uid = int(self.write_matters(write))
        return Write(Mark(uid, epoch, write.mark.node), write.holders, self.operation(write.operation), "", floor)

    def record(self, record: Record, operation: int) -> Record:
        same = self.pv is not None and record.uid == self.pv.uid
        if self.present(record):
            return Record(int(same), self.epoch, record.holders, operation, int(record.floor > 0), record.altered)
        return Record(int(same), -1, record.holders, operation, 0, record.altered)

    @property
    def epoch(self) -> int:
        return _PRESENT if self.pv and self.pv.epoch else 0

    def present(self, record: Record | None) -> bool:
        return self.pv is not None and record is not None and record.mark == self.pv.mark

    def look(self, look: Look, run: Run, own: int) -> Look:
        if run.step != "undo looked":
            mine = look.by == own
            by = self.operation(own) if mine else _FORMER
            signed = look.record is not None and look.record.operation == look.by
            live = look.live and (mine or not self.rules.looks_expire)
            return Look(look.record and self.record(look.record, by if signed else NOBODY), live, by)
        if look.record is None or self.present(look.record):
            return Look(look.record and self.record(look.record, self.operation(look.record.operation)), True, self._by(look, own))
        by = self._by(look, own)
        return Look(Record(0, -1, look.record.holders, by if look.by == look.record.operation else NOBODY), True, by)

    def _by(self, look: Look, own: int) -> int:
        return self.operation(look.by) if look.by == own or self.present(look.record) else _FORMER

    def acquired(self, run: Run, own: int) -> tuple[bool, int]:
        if run.acquired in {NOBODY, own} or run.renews:
            return run.renews, NOBODY if run.renews else self.operation(run.acquired)
        if run.look and run.step == "undo looked" and run.look.by == run.acquired:
            return run.renews, self._by(run.look, own)
        return self.rules.leaves(run, Look(None, True, own)), NOBODY

    def run(self, run: Run, own: int) -> Run:
        dead = run.write is not None and not self.write_matters(run.write)
        return Run(
            run.kind,
            run.node,
            self.operation(own),
            _AFTER_REFUSAL[run.step] if dead else run.step,
            run.look and self.look(run.look, run, own),
            None if dead else run.write and self.write(run.write),
            *self.acquired(run, own),
            run.record and self.record(run.record, self.operation(own) if run.record.operation == own else NOBODY),
            local=run.local and not dead,
            again=run.again and (run.step == "observe" or self.rules.heeds_again),
        )

    def known(self, known: Record) -> Record:
        same = self.pv is not None and known.uid == self.pv.uid
        return Record(int(same), 1, known.holders, self.operation(known.operation))


def _renamed(world: World, rules: Rules, any_index: bool) -> World:
    world = world._replace(remembered=world.remembered and _as_reset(world.remembered, world.pv, rules))
    names, pv, run = _Names.of(world, rules), world.pv, world.run
    return World(
        pv=pv and names.record(pv, names.operation(pv.operation)),
        makers=tuple(names.operation(maker) for maker in world.makers),
        run=run and names.run(run, run.operation),
        flying=frozenset(names.write(write) for write in world.flying if pv is not None and rules.passes(write.mark, pv)),
        past=frozenset() if any_index else frozenset(names.record(record, NOBODY) for record in world.past),
        remembered=world.remembered and names.run(world.remembered, _ANOTHER),
        believed=world.believed,
        gone=world.gone,
        broken=world.broken and "broken",
        operations=_ENOUGH,
        volumes=1,
        known=world.known and names.known(world.known),
    )


def _as_reset(run: Run, pv: Record | None, rules: Rules) -> Run:
    """Return the remembered run, as decided at once after a reset where the decision doesn't depend on the run's new id."""
    again = run._replace(operation=_ANOTHER)
    decided = decide(again, rules) if run.step in DECIDING else again
    if isinstance(decided, str):
        return again
    write = decided.write
    signs = write is not None and pv is not None and write.mark == pv.mark and write.operation == _ANOTHER
    return again if signs else decided


def first_told_apart(world: World) -> str:
    """Return the first node that the state plainly distinguishes from the other, which becomes A; "" if a closer look is needed."""
    named = [run.node for run in (world.run, world.remembered) if run and run.node in NODES]
    named += world.holders[:1]
    named += [next(iter(nodes)) for nodes in (world.believed, world.gone) if len(nodes) == 1]
    return named[0] if named else ""


def _order(world: World) -> str:
    return repr((*world[:3], sorted(world.flying), sorted(world.past), *world[5:6], world.known))


def mirrored(world: World) -> World:
    """Return the state with the names of the nodes exchanged."""
    return world._replace(
        pv=world.pv and _mirror_record(world.pv),
        run=world.run and _mirror_run(world.run),
        remembered=world.remembered and _mirror_run(world.remembered),
        flying=frozenset(map(_mirror_write, world.flying)),
        past=frozenset(map(_mirror_record, world.past)),
        believed=frozenset(map(_other, world.believed)),
        gone=frozenset(map(_other, world.gone)),
        known=world.known and _mirror_record(world.known),
    )


@cache
def _mirror_run(run: Run) -> Run:
    look = run.look and run.look._replace(record=run.look.record and _mirror_record(run.look.record))
    record = run.record and _mirror_record(run.record)
    return run._replace(node=_other(run.node), look=look, write=run.write and _mirror_write(run.write), record=record)


@cache
def _mirror_record(record: Record) -> Record:
    return record._replace(holders=tuple(map(_other, record.holders)))


@cache
def _mirror_write(write: Write) -> Write:
    mark = write.mark._replace(node=_other(write.mark.node))
    return write._replace(mark=mark, holders=tuple(map(_other, write.holders)))


def _other(node: str) -> str:
    return NODES[1 - NODES.index(node)] if node in NODES else node

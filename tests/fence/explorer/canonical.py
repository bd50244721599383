"""Which states are one: each is renamed to the one that stands for all states that no decision tells apart from it.

Why each renaming is sound stands in the package's docstring. A state so renamed is a state like any other, and the search goes on
from it. Only for rules whose API server tests all of a mark (`Rules.exact` is False).
"""

from __future__ import annotations

from tests.fence.explorer.rules import Rules
from tests.fence.explorer.state import NOBODY, Look, Mark, Record, Run, World, Write

_NOW = 2
_DEAD = Write(Mark(0, -1, ""), (), NOBODY, "")


class _Names:
    """The new numbers of one state's operations and epochs."""

    def __init__(self, world: World) -> None:
        self._pv = world.pv
        known = [world.run.operation] if world.run else []
        known += [number for run in (world.run, world.remembered) if run for number in _compared(run)]
        self._numbers = {number: place for place, number in enumerate(dict.fromkeys(known), start=1)}

    def operation(self, number: int) -> int:
        return self._numbers.get(number, NOBODY)

    @property
    def count(self) -> int:
        return len(self._numbers)

    def record(self, record: Record) -> Record:
        now = record == self._pv
        same = self._pv is not None and record.uid == self._pv.uid
        return Record(int(same), _NOW if now else -1, record.holders, self.operation(record.operation))

    def write(self, write: Write, rules: Rules) -> Write:
        pv = self._pv
        if pv is None:
            return _DEAD
        if rules.passes(write.mark, pv):
            return Write(Mark(1, _NOW, write.mark.node), write.holders, self.operation(write.operation), "")
        if rules.landed(write, pv):
            return Write(Mark(1, _NOW - 1, ""), write.holders, self.operation(write.operation), "")
        return _DEAD

    def run(self, run: Run, rules: Rules, operation: int) -> Run:
        look = run.look and Look(run.look.record and self.record(run.look.record), run.look.live, self.operation(run.look.by))
        return Run(
            run.kind,
            run.node,
            operation,
            run.step,
            look,
            run.write and self.write(run.write, rules),
            run.reclaims,
            self.operation(run.claimed),
            run.record and self.record(run.record),
        )


def canonical(world: World, rules: Rules, any_index: bool) -> World:
    """The state that stands for all that are like this one."""
    names, pv, run = _Names(world), world.pv, world.run
    alive = [write for write in world.flying if pv is not None and rules.passes(write.mark, pv)]
    return World(
        pv=pv and names.record(pv),
        makers=tuple(names.operation(maker) for maker in world.makers),
        run=run and names.run(run, rules, names.operation(run.operation)),
        flying=frozenset(names.write(write, rules) for write in alive),
        past=frozenset() if any_index else frozenset(Record(0, -1, record.holders, NOBODY) for record in world.past),
        remembered=world.remembered and names.run(world.remembered, rules, NOBODY),
        believed=world.believed,
        gone=world.gone,
        broken=world.broken,
        operations=names.count,
        volumes=1,
    )


def _compared(run: Run) -> list[int]:
    """The operations that the run may yet compare with the one that signed a record, besides its own."""
    by = run.look.by if run.look and run.step == "undo looked" else NOBODY
    signed = run.write.operation if run.write else NOBODY
    return [number for number in (run.claimed, by, signed) if number != NOBODY]

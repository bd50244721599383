"""The renaming of states that are one: each becomes one that represents all that no decision distinguishes from it.

- *An attempt that can't land is forgotten*: the mark of its next PV is gone, and never returns.
- *The PVs that an attempt has got past don't matter*, once nobody makes it again.
- *Epochs are counted from the lowest that matters*: decisions compare them, and no more. A PV that was written is told from one
  that wasn't.
- *Operations are distinguished only where somebody may yet compare them*: the open one, and those of attempts that may land.
"""

from __future__ import annotations

from tests.records.fence.several.rules import Rules
from tests.records.fence.several.state import EPOCH, Attempt, Mark, World, Write

_OTHER, _TERMINATED = 0, -1


def canonical(world: World, rules: Rules) -> World:
    """Return the state that represents all that are like this one."""
    flying: list[Attempt] = [attempt for attempt in world.flying if _may_land(world, attempt, rules)]
    attempts = [*flying, *([world.run.attempt] if world.run and world.run.attempt else ())]
    down = max(min((pv.epoch for pv in world.pvs), default=EPOCH) - EPOCH - 1, 0)
    compared = {attempt.write.operation for attempt in attempts} | ({world.run.operation} if world.run else set())
    numbers = {number: place for place, number in enumerate(sorted(compared), 1)}

    def named(operation: int) -> int:
        return numbers.get(operation, _TERMINATED if operation in world.terminated else _OTHER)

    def renamed(attempt: Attempt, forget: int) -> Attempt:
        marks = tuple(
            Mark(0, mark.name, 0, "") if place < forget else _lowered(mark, down) for place, mark in enumerate(attempt.write.marks)
        )
        write = Write(marks, attempt.write.holders, attempt.write.epoch - down, named(attempt.write.operation))
        return Attempt(write, attempt.done)

    run = world.run
    return world._replace(
        pvs=frozenset(pv._replace(epoch=pv.epoch - down, operation=named(pv.operation)) for pv in world.pvs),
        run=run and run._replace(operation=numbers[run.operation], attempt=run.attempt and renamed(run.attempt, 0)),
        flying=frozenset(renamed(attempt, attempt.done) for attempt in flying),
        terminated=frozenset({_TERMINATED, *(numbers[number] for number in world.terminated if number in numbers)}),
        token=max(world.token - down, 0),
    )


def _lowered(mark: Mark, down: int) -> Mark:
    return mark._replace(epoch=max(mark.epoch - down, 0))


def _may_land(world: World, attempt: Attempt, rules: Rules) -> bool:
    pv = next((pv for pv in world.pvs if pv.uid == attempt.write.marks[attempt.done].uid), None)
    passes = pv is not None and rules.passes(attempt.write.marks[attempt.done], pv, attempt.done)
    return passes or (pv is not None and rules.made(attempt.write, pv, attempt.done))

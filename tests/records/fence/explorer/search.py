"""Breadth first through every state that can be reached, until one is at fault: the trace to it is then a shortest one.

The search goes through canonical states. A trace is walked again through the states themselves, so that it names real epochs and
operations; that every step of it is found again is a check on the canonical form.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.records.fence.explorer import judge
from tests.records.fence.explorer.canonical import canonical
from tests.records.fence.explorer.lighter import lighter
from tests.records.fence.explorer.rules import VOLUME, Rules
from tests.records.fence.explorer.state import START, START_WITH_DRIVER, World
from tests.records.fence.explorer.world import Bounds, ends, moves


@dataclass(frozen=True)
class Found:
    """A search's result: how many states and moves it looked at, and the trace to the first fault (none: nothing at fault)."""

    states: int
    moves: int
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((f"{self.states} states, {self.moves} moves", *self.trace))


def search(rules: Rules, bounds: Bounds) -> Found:
    """Search every state from `START` on, under these rules."""
    start = _form(_start(rules), rules, bounds)
    came_from: dict[World, World | None] = {start: None}
    level, count, can_end = [start], 0, set[tuple[object, ...]]()
    while level:
        following: list[World] = []
        for world in level:
            for _, after in moves(world, rules, bounds):
                count += 1
                form = _form(after, rules, bounds)
                if form in came_from and not judge.misstep(world, after):
                    continue
                came_from[form] = world
                following.append(form)
                if _fault(world, after, form, rules, bounds, can_end):
                    return Found(len(came_from), count, _trace(form, came_from, rules, bounds))
        level = following
    return Found(len(came_from), count)


def _start(rules: Rules) -> World:
    return START_WITH_DRIVER if rules.driver else START


def _form(world: World, rules: Rules, bounds: Bounds) -> World:
    if rules.driver:
        return lighter(world, rules)
    return world if rules.exact else canonical(world, rules, bounds.any_index)


def _fault(world: World, after: World, form: World, rules: Rules, bounds: Bounds, can_end: set[tuple[object, ...]]) -> str:
    fault = judge.misstep(world, after) or judge.fault(after, single_node=not rules.mode.multi_node)
    if fault or form.run is None or (form.pv, form.run) in can_end:
        return fault
    can_end.add((form.pv, form.run))
    return "" if ends(form, rules, bounds) else f"{after.run and after.run.name} never ends"


def _trace(last: World, came_from: dict[World, World | None], rules: Rules, bounds: Bounds) -> tuple[str, ...]:
    forms, step = [last], came_from[last]
    while step is not None:
        forms.append(step)
        step = came_from[step]
    forms.reverse()
    lines, world, fault = [f"volume {VOLUME.volume_handle}, {rules.mode}"], _start(rules), ""
    for form in forms[1:]:
        told, after = next(move for move in moves(world, rules, bounds) if _form(move[1], rules, bounds) == form)
        fault = _fault(world, after, form, rules, bounds, set())
        lines.append(f"{len(lines):3}. {told}  [{after.pv.told if after.pv else 'no PV'}]")
        world = after
    return (*lines, f"  => {fault}")

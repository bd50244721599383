"""Breadth first through every state that can be reached, until one is at fault."""

from __future__ import annotations

from dataclasses import dataclass

from tests.records.fence.waiting.rules import Rules
from tests.records.fence.waiting.state import START, World
from tests.records.fence.waiting.world import Bounds, ends, fault, moves


@dataclass(frozen=True)
class Found:
    """A search's result: how many states and moves, and the trace to the first fault (none: nothing at fault)."""

    states: int
    moves: int
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((f"{self.states} states, {self.moves} moves", *self.trace))


def search(rules: Rules, bounds: Bounds, start: World = START) -> Found:
    """Search every state from `start` on, under these rules."""
    came_from: dict[World, tuple[str, World] | None] = {start: None}
    level, count, can_end = [start], 0, set[object]()
    while level and len(came_from) < bounds.states:
        following: list[World] = []
        for world in level:
            for told, made in moves(world, rules, bounds):
                count += 1
                after = _tidied(world, made, rules, bounds)
                if after in came_from:
                    continue
                came_from[after] = (told, world)
                following.append(after)
                wrong = fault(after) or _stuck(after, rules, can_end)
                if wrong:
                    return Found(len(came_from), count, _trace(after, came_from, wrong))
        level = following
    return Found(len(came_from), count)


def _tidied(before: World, world: World, rules: Rules, bounds: Bounds) -> World:
    """Return the world without attempts that can't land, as an epoch never returns, and without requests to holds that are over."""
    ended = before.hold if bounds.hold_resets and world.hold is None else None
    world = world if ended is None else world._replace(over=ended._replace(ending=False, asker=0, write=None))
    asks = frozenset(ask for ask in world.asks if world.is_open(ask[0]))
    flying = frozenset(write for write in world.flying if rules.lands(write, world.pv) is not None)
    return world._replace(flying=flying, asks=asks) if (world.asks, world.flying) != (asks, flying) else world


def _stuck(world: World, rules: Rules, can_end: set[object]) -> str:
    form = (world.pv, world.known, world.run, world.hold)
    if form in can_end:
        return ""
    can_end.add(form)
    return "" if ends(world, rules) else f"{world.run.name if world.run else 'the hold'} never ends"


def _trace(last: World, came_from: dict[World, tuple[str, World] | None], wrong: str) -> tuple[str, ...]:
    lines, step = [f"  => {wrong}"], came_from[last]
    world = last
    while step is not None:
        told, before = step
        lines.append(f"{told}  [{world.pv.told if world.pv else 'no PV'}]")
        world, step = before, came_from[before]
    return tuple(reversed(lines))

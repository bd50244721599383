"""Breadth first through every state that can be reached within the bounds, until one is at fault: the trace is a shortest one."""

from __future__ import annotations

from dataclasses import dataclass

from tests.records.fence.several import judge
from tests.records.fence.several.canonical import canonical
from tests.records.fence.several.rules import Rules
from tests.records.fence.several.state import START, World
from tests.records.fence.several.world import Bounds, moves


@dataclass(frozen=True)
class Found:
    """A search's result: how many states it looked at, and the trace to the first fault (none: nothing at fault)."""

    states: int
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((f"{self.states} states", *self.trace))


def search(rules: Rules, bounds: Bounds) -> Found:
    """Search every state from `START` on, under these rules."""
    came_from: dict[World, tuple[World, str] | None] = {START: None}
    level = [START]
    while level:
        following: list[World] = []
        for world in level:
            for told, moved in moves(world, rules, bounds):
                after = canonical(moved, rules)
                if after in came_from:
                    continue
                came_from[after] = (world, told)
                wrong = judge.fault(after, lag=bounds.lag)
                if wrong:
                    return Found(len(came_from), (*_trace(after, came_from), f"=> {wrong}"))
                following.append(after)
        level = following
    return Found(len(came_from))


def _trace(last: World, came_from: dict[World, tuple[World, str] | None]) -> tuple[str, ...]:
    lines: list[str] = []
    step = came_from[last]
    while step is not None:
        lines.append(step[1])
        step = came_from[step[0]]
    return tuple(reversed(lines))

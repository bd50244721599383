"""The worlds of a campaign: what each is like by its seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from tests.simulation.campaign.kinds import KINDS, USUAL, Kind
from tests.simulation.campaign.world import Plan

OPERATIONS: Final = 300
"""Operations of one world."""


def plans(seed: str, operations: int, kind: Kind | None = None) -> Iterator[Plan]:
    """Yield the worlds of a seed, or the one world that it means; all of one kind, if that is given."""
    if "/" in seed:
        yield plan(seed, OPERATIONS, kind)
        return
    for number in range(-(-operations // OPERATIONS)):
        yield plan(f"{seed}/{number}", min(OPERATIONS, operations - number * OPERATIONS), kind)


def plan(seed: str, operations: int, kind: Kind | None = None) -> Plan:
    """Return what the world of a seed is like."""
    dice = random.Random(f"{seed}/plan")  # noqa: S311 - a seed is the point
    kind = kind or dice.choice(KINDS)
    volumes, nodes, workers = dice.randint(*kind.volumes), dice.randint(*kind.nodes), dice.randint(*kind.workers)
    return Plan(seed, operations, kind, volumes, nodes, workers, unnamed=kind is USUAL and dice.random() < 0.3)

"""The table of planted faults: after how many operations each is found, in worlds of the kind that is made for it.

    python -m tests.simulation.campaign.table [--seed 1] [NAME ...]

Each world lives in a process of its own, in which the fault is planted. Exit codes: 0 all were found, 1 one was not.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import random
import sys
from dataclasses import dataclass
from typing import Final

import pytest

from tests.simulation.campaign.bugs import BUGS, MADE_FOR
from tests.simulation.campaign.kinds import BY_NAME
from tests.simulation.campaign.world import Plan, World, play

OPERATIONS: Final = 150
"""Operations of one world."""
WORLDS: Final = 16
"""Worlds in which a fault is looked for."""
_kept: Final[list[World]] = []


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one fault: the operations until it was found, and the promise that it broke, "" if it wasn't."""

    operations: int
    broken: str


def main() -> int:
    """Look for faults, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.campaign.table", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to look for; none: all")
    parser.add_argument("--seed", default="1")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)  # what workers log of faults is no fault
    missed = 0
    sys.stdout.write("| fault | kind of world | found after | by |\n|---|---|---|---|\n")
    for name in asked.names or BUGS:
        found = look_for(name, asked.seed)
        missed += not found.broken
        after = f"{found.operations} operations" if found.broken else f"not in {found.operations}"
        sys.stdout.write(f"| {name} | {MADE_FOR[name]} | {after} | {found.broken.partition(':')[0]} |\n")
        sys.stdout.flush()
    return bool(missed)


def look_for(name: str, seed: str) -> Found:
    """Let worlds live in which a fault is planted, until it is found."""
    operations = 0
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for number in range(WORLDS):
            asked, broken = pool.apply(_live, (name, f"{seed}/{number}"))
            operations += asked
            if broken:
                return Found(operations, broken)
    return Found(operations, "")


def _live(name: str, seed: str) -> tuple[int, str]:
    BUGS[name](pytest.MonkeyPatch())
    kind, dice = BY_NAME[MADE_FOR[name]], random.Random(f"{seed}/plan")  # noqa: S311 - a seed is the point
    sizes = dice.randint(*kind.volumes), dice.randint(*kind.nodes), dice.randint(*kind.workers)
    world, broken = play(Plan(seed, OPERATIONS, kind, *sizes))
    _kept.append(world)
    return world.attacher.asked, str(broken or "")


if __name__ == "__main__":
    sys.exit(main())

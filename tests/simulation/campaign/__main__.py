"""Let worlds live until so many operations were asked for, or for a time, and print what was found; the last line is the verdict.

A seed such as 7/12 is that of one world of a campaign, which goes by itself as it went there. A story is a world in words, as they
are printed of one in which a promise was broken.

Exit codes: 0 no promise was broken, 1 one was.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from tests.simulation.campaign.bugs import BUGS
from tests.simulation.campaign.kinds import BY_NAME
from tests.simulation.campaign.lives import Outcome, ended, lives, processes
from tests.simulation.campaign.shrinking import Shrinker
from tests.simulation.campaign.stories import read
from tests.simulation.campaign.world import Plan
from tests.simulation.campaign.worlds import plans


def main() -> int:
    """Carry a campaign out."""
    asked = _arguments()
    logging.disable(logging.CRITICAL)  # what workers log of faults is no fault
    if asked.bug:
        BUGS[asked.bug](pytest.MonkeyPatch())
    seconds, operations, worlds = 0.0, 0, 0
    for outcome in lives(_planned(asked), asked.jobs):
        operations, seconds, worlds = operations + outcome.operations, seconds + outcome.seconds, worlds + 1
        if asked.trace:
            _write(Path(asked.trace), outcome)
        if outcome.broken:
            _tell(outcome, operations, asked.shrink)
            return 1
    rate = f"{operations / max(seconds, 1e-9):.0f} a second of a core"
    seed = read(asked.story).seed if asked.story else asked.seed
    sys.stdout.write(f"{operations} operations in {worlds} worlds of seed {seed}, {rate}: no promise was broken.\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.campaign", description=__doc__)
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=0.0, help="begin worlds for so long, however many operations that are")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--kind", choices=sorted(BY_NAME), help="let all worlds be of one kind")
    parser.add_argument("--story", default="", help="let this one world live")
    parser.add_argument("--jobs", type=int, default=1, help="worlds that live at once")
    parser.add_argument("--shrink", type=int, default=150, help="worlds in which a shorter story is looked for, at most")
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant a fault, which should be found")
    parser.add_argument("--trace", default="", help="folder for the trace of each world")
    return parser.parse_args()


def _planned(asked: argparse.Namespace) -> Iterator[Plan]:
    if asked.story:
        return iter([read(asked.story)])
    kind = BY_NAME.get(asked.kind)
    if not asked.seconds:
        return plans(asked.seed, asked.operations, kind)
    until = time.monotonic() + asked.seconds
    return takewhile(lambda _: time.monotonic() < until, plans(asked.seed, sys.maxsize, kind))


def _write(folder: Path, outcome: Outcome) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{outcome.plan.seed.replace('/', '-')}.txt").write_text("\n".join(outcome.trace) + "\n")


def _tell(outcome: Outcome, operations: int, most: int) -> None:
    """Print what was broken, and the shortest story of it that is found in so many worlds."""
    sys.stdout.write(f"A promise was broken in the world of SEED={outcome.plan.seed}: {outcome.broken}\n")
    short = _shrunk(outcome, most) if most else outcome
    lines = "\n".join(short.story)
    sys.stdout.write(f"World {short.world}\nThe end of the story:\n{lines}\n")
    sys.stdout.write(f"BROKEN after {operations} operations: {short.broken} (SEED={outcome.plan.seed})\n")


def _shrunk(outcome: Outcome, most: int) -> Outcome:
    with processes(1) as begin:
        shrinker = Shrinker(outcome, lambda plan: ended(plan, begin(plan)), most)
        short = shrinker.shrink()
    was = f"{outcome.operations} operations in which {len(outcome.mishaps)} things went wrong"
    sys.stdout.write(f"Of {was}, {short.operations} and {len(short.mishaps)} remain after {shrinker.lives} worlds.\n")
    return short


if __name__ == "__main__":
    sys.exit(main())

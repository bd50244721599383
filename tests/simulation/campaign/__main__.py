"""Let worlds live until so many operations were asked for, and print what was found; the last line is the verdict.

A seed such as 7/12 is that of one world of a campaign, which goes by itself as it went there.

Exit codes: 0 no promise was broken, 1 one was.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import pytest

from tests.simulation.campaign.bugs import BUGS
from tests.simulation.campaign.worlds import Outcome, lives, plans


def main() -> int:
    """Carry a campaign out."""
    asked = _arguments()
    logging.disable(logging.CRITICAL)  # what workers log of faults is no fault
    if asked.bug:
        BUGS[asked.bug](pytest.MonkeyPatch())
    seconds, operations, worlds = 0.0, 0, 0
    for outcome in lives(plans(asked.seed, asked.operations), asked.jobs):
        operations, seconds, worlds = operations + outcome.operations, seconds + outcome.seconds, worlds + 1
        if asked.trace:
            _write(Path(asked.trace), outcome)
        if outcome.broken:
            sys.stdout.write(_story(outcome))
            sys.stdout.write(f"BROKEN after {operations} operations: {outcome.broken} (SEED={outcome.seed})\n")
            return 1
    rate = f"{operations / seconds:.0f} a second of a core"
    sys.stdout.write(f"{operations} operations in {worlds} worlds of seed {asked.seed}, {rate}: no promise was broken.\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.campaign", description=__doc__)
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--jobs", type=int, default=1, help="worlds that live at once")
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant a fault, which should be found")
    parser.add_argument("--trace", default="", help="folder for the trace of each world")
    return parser.parse_args()


def _write(folder: Path, outcome: Outcome) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{outcome.seed.replace('/', '-')}.txt").write_text("\n".join(outcome.trace) + "\n")


def _story(outcome: Outcome) -> str:
    lines = "\n".join(outcome.story)
    return f"World {outcome.seed}, {outcome.world}. The end of the story:\n{lines}\n"


if __name__ == "__main__":
    sys.exit(main())

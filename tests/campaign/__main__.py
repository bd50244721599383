"""Carry a campaign out, and print its report: `python -m tests.campaign`, with KUBEBUILDER_ASSETS set.

Exit codes: 0 no promise was broken, 1 one was.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from mooring.devstack.folders import own_folder
from mooring.devstack.signals import until_told
from tests.campaign.bugs import BUGS
from tests.campaign.plan import KINDS
from tests.campaign.recovery import Sizes, measure
from tests.campaign.report import report
from tests.campaign.stage import Plan, open_stage

INTERRUPTED: Final = 130


async def campaign(plan: Plan, assets: Path, folder: Path, *, recovery: bool) -> int:
    """Carry it out, print the report, and return the exit code."""
    async with open_stage(plan, assets, folder) as stage:
        outcome = await stage.go()
        figures = [line async for line in measure(stage, Sizes())] if recovery else []
        outcome.broken += await stage.judge() if recovery else []
    for line in report(plan, outcome, figures):
        sys.stdout.write(f"{line}\n")
    return 1 if outcome.broken else 0


def main() -> int:
    """Carry out the campaign that the arguments describe."""
    asked = _arguments()
    logging.disable(logging.CRITICAL)  # what servers and clients log of faults is no fault
    kinds = {kind: weight for kind, weight in KINDS.items() if not asked.only or kind in asked.only.split(",")}
    plan = Plan(asked.seed, asked.minutes * 60, kinds=kinds, bug=asked.bug)
    with ExitStack() as stack:
        folder = Path(asked.folder) if asked.folder else stack.enter_context(own_folder("mooring-campaign"))
        folder.mkdir(parents=True, exist_ok=True)
        work = campaign(plan, Path(os.environ["KUBEBUILDER_ASSETS"]), folder.absolute(), recovery=asked.recovery)
        code = asyncio.run(until_told(work))
    return INTERRUPTED if code is None else code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long faults and load go on")
    parser.add_argument("--seed", default="1", help="the seed of the plan")
    parser.add_argument("--only", default="", metavar="KIND,...", help=f"these kinds of faults alone: {', '.join(KINDS)}")
    parser.add_argument("--bug", default="", choices=sorted(BUGS), help="plant a fault in the workers, which should be found")
    parser.add_argument("--no-recovery", dest="recovery", action="store_false", help="leave the figures of recovery out")
    parser.add_argument("--folder", default="", help="a new folder for all logs and files, which then remain")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

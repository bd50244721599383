"""The report of a campaign, in lines; the last one is the verdict."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from mooring import __version__
from tests.campaign.failpoints import POINTS
from tests.campaign.stage import Outcome, Plan

SHOWN = 20
"""Violations that are shown; all count."""


def report(plan: Plan, outcome: Outcome, figures: list[str]) -> Iterator[str]:
    """Yield the lines."""
    log, faults = outcome.log, outcome.faults
    yield f"Seed {plan.seed}, {outcome.seconds:.0f} s, Mooring {__version__}, Python {platform.python_version()}; {_machine()}"
    yield f"operations: {outcome.operations} publishes and unpublishes, at {outcome.operations / outcome.seconds:.1f} a second"
    yield f"  callers asked {log.asked} times and had {log.done} successes; Pods had {log.pods} attachments and detachments"
    yield f"  dead nodes whose volumes were all released: {log.evacuated}; volumes that were published before their PV: {log.late}"
    yield f"  refusals: {', '.join(f'{count} {name}' for name, count in sorted(log.errors.items())) or 'none'}"
    yield f"  records left to an operator, who was told: {log.cleared}"
    yield f"faults: {faults.total()}; failpoints that fired: {len(outcome.points)} of {len(POINTS)}"
    yield from (f"  {count:6} {name}" for name, count in sorted(faults.items()) if count)
    yield "recovery:" if figures else "recovery: not measured"
    yield from (f"  {line}" for line in figures)
    yield f"violations: {len(outcome.broken)}"
    yield from (f"  {each.rule}: {each.volume}: {each.what}" for each in outcome.broken[:SHOWN])
    yield _verdict(plan, outcome)


def _verdict(plan: Plan, outcome: Outcome) -> str:
    counts = f"{outcome.operations} operations and {outcome.faults.total()} faults of seed {plan.seed}"
    if outcome.broken:
        return f"BROKEN: {len(outcome.broken)} violations in {counts}."
    return f"{counts}: no promise was broken."


def _machine() -> str:
    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = cpus[0].partition(":")[2].strip() if cpus else platform.machine()
    return f"{os.cpu_count()} processors ({model}), load {os.getloadavg()[0]:.1f}"

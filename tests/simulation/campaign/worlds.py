"""The worlds of a campaign: what each is like by its seed, and their lives, each in a process of its own.

A process is a copy of one in which a small world has lived, so that none has to import and prepare what that has.

NB: the remains of a world (workers that were killed, with all their tasks) are left to the end of its process, as the garbage
collector would run their clean-up. It is off there, which saves a sixth of the time and costs some 100 MB.
"""

from __future__ import annotations

import gc
import multiprocessing
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.simulation import clock
from tests.simulation.campaign.kinds import KINDS, USUAL
from tests.simulation.campaign.world import Plan, World, play
from tests.simulation.temporal_core.worker import installed

OPERATIONS: Final = 300
"""Operations of one world."""
_kept: Final[list[World]] = []


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one world: what was broken, "" for nothing, the end of the story about its volume, and the whole trace.

    `seconds`: what it took of a core.
    """

    seed: str
    world: str
    operations: int
    seconds: float
    broken: str
    story: list[str]
    trace: list[str]


def plans(seed: str, operations: int) -> Iterator[Plan]:
    """Yield the worlds of a seed, or the one world that it means."""
    if "/" in seed:
        yield plan(seed, OPERATIONS)
        return
    for number in range(-(-operations // OPERATIONS)):
        yield plan(f"{seed}/{number}", min(OPERATIONS, operations - number * OPERATIONS))


def plan(seed: str, operations: int) -> Plan:
    """Return what the world of a seed is like."""
    dice = random.Random(f"{seed}/plan")  # noqa: S311 - a seed is the point
    kind = dice.choice(KINDS)
    volumes, nodes, workers = dice.randint(*kind.volumes), dice.randint(*kind.nodes), dice.randint(*kind.workers)
    return Plan(seed, operations, kind, volumes, nodes, workers, unnamed=kind is USUAL and dice.random() < 0.3)


def lives(planned: Iterable[Plan], jobs: int) -> Iterator[Outcome]:
    """Yield the outcomes of worlds, in their order; `jobs` of them live at once."""
    _warm_up()
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap(_live, planned)


def _warm_up() -> None:
    """Let a world live and end in this process, of which others are copies."""

    async def live() -> None:
        await World(Plan("to warm up", operations=3, disturbed=False)).live()

    with installed():
        clock.run(live())
    gc.collect()
    gc.freeze()


def _live(planned: Plan) -> Outcome:
    gc.disable()
    begun = time.process_time()
    world, broken = play(planned)
    _kept.append(world)
    story = world.trace.about(broken.volume) if broken else []
    said = f"{planned.kind.name}: {planned.workers} workers, {planned.volumes} volumes, {planned.nodes} nodes"
    trace = [str(line) for line in world.trace.lines]
    seconds = time.process_time() - begun
    return Outcome(planned.seed, said, world.attacher.asked, seconds, str(broken or ""), story, trace)

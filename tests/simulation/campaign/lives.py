"""The lives of worlds, each in a process of its own.

A process is a copy of one in which a small world has lived, so that none has to import and prepare what that has.

NB: the remains of a world (workers that were killed, with all their tasks) are left to the end of its process, as the garbage
collector would run their clean-up. It is off there, which saves a tenth of the time and costs some 50 MB.
"""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.pool import AsyncResult
from typing import Final

from tests.simulation import clock
from tests.simulation.campaign.stories import read, told
from tests.simulation.campaign.verdict import Broken
from tests.simulation.campaign.world import Plan, World, play
from tests.simulation.temporal_core.worker import installed

LONGEST: Final = 900.0
"""Seconds after which a world is given up, which never ends."""
AHEAD: Final = 2
"""Worlds that are begun, or wait for a process, for each one that lives at once."""
_kept: Final[list[World]] = []

Begin = Callable[[Plan], "AsyncResult[Outcome]"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one world: what was broken, "" for nothing, the end of the story about its volume, and the whole trace.

    `world`: the world in words, as they go from process to process; `seconds`: what it took of a core; `mishaps`: the names of all
    that went wrong, in order.
    """

    world: str
    operations: int
    seconds: float
    broken: str
    mishaps: list[str]
    story: list[str]
    trace: list[str]

    @property
    def plan(self) -> Plan:
        """What the world is like."""
        return read(self.world)

    @property
    def rule(self) -> str:
        """The rule that was broken."""
        return self.broken.partition(":")[0]


@contextmanager
def processes(jobs: int) -> Iterator[Begin]:
    """Lend what begins a world, while the block runs; `jobs` of them live at once."""
    _warm_up()
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        yield lambda plan: pool.apply_async(_live, (told(plan),))


def lives(planned: Iterable[Plan], jobs: int) -> Iterator[Outcome]:
    """Yield the outcomes of worlds, in their order; `planned` is asked for no more of them than are begun.

    Raises:
        TimeoutError: a world doesn't end.

    """
    with processes(jobs) as begin:
        begun: deque[tuple[Plan, AsyncResult[Outcome]]] = deque()
        for plan in planned:
            begun.append((plan, begin(plan)))
            if len(begun) == AHEAD * jobs:
                yield ended(*begun.popleft())
        while begun:
            yield ended(*begun.popleft())


def ended(plan: Plan, living: AsyncResult[Outcome]) -> Outcome:
    """Return the outcome of a world that lives, when it has ended.

    Raises:
        TimeoutError: it doesn't end.

    """
    try:
        return living.get(LONGEST)
    except multiprocessing.TimeoutError:
        raise TimeoutError(f"This world goes on for more than {LONGEST:.0f} s: {told(plan)}") from None


def _warm_up() -> None:
    """Let a world live and end in this process, of which others are copies; what it breaks, theirs do."""

    async def live() -> None:
        with suppress(Broken):
            await World(Plan("to warm up", operations=3, disturbed=False)).live()

    with installed():
        clock.run(live())
    gc.collect()
    gc.freeze()


def _live(words: str) -> Outcome:
    gc.disable()
    begun = time.process_time()
    world, broken = play(read(words))
    _kept.append(world)
    story = world.trace.about(broken.volume) if broken else []
    trace = [str(line) for line in world.trace.lines]
    seconds = time.process_time() - begun
    return Outcome(words, world.attacher.asked, seconds, str(broken or ""), world.mishaps.happened, story, trace)

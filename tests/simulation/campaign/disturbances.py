"""All that goes wrong in a world, by its dice: failing servers and driver, and one act after the other (acts.py, nodes.py)."""

from __future__ import annotations

import asyncio
import contextvars
import random
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from tests.simulation import driver
from tests.simulation.api_server import CALM
from tests.simulation.campaign.acts import ActsOnProcesses, ActsOnPvs, ActsOnRuns
from tests.simulation.campaign.nodes import ActsOnNodes
from tests.simulation.clock import call_later
from tests.simulation.temporal_server.defaults import WORKFLOW_TASK

if TYPE_CHECKING:
    from tests.simulation.campaign.acts import Act
    from tests.simulation.campaign.world import World


@dataclass(slots=True)
class Disturbances:
    """What goes wrong; `begin` and `end` it."""

    world: World
    dice: random.Random
    deaths: random.Random
    freezes: random.Random
    nodes: ActsOnNodes = field(init=False)
    _acts: list[Act] = field(init=False)
    _kill: Act = field(init=False)
    _happened: int = 0
    _handed_out: int = 0

    def __post_init__(self) -> None:
        processes = ActsOnProcesses(self.world, self.dice)
        self.nodes, self._kill = ActsOnNodes(self.world, self.dice), processes.kill
        parts = (processes, ActsOnRuns(self.world, self.dice), ActsOnPvs(self.world, self.dice), self.nodes)
        self._acts = [_named(parts, name) for name, weight in self.world.plan.kind.acts.items() for _ in range(weight)]

    def begin(self) -> None:
        """Have servers and driver fail from now on."""
        world, kind = self.world, self.world.plan.kind
        world.kube.faults.rates, world.driver.rates = kind.kube, kind.driver
        world.temporal.hop = lambda dice: dice.uniform(0.0005, 0.02)
        world.temporal.lag = lambda dice: dice.choice((0.01, 0.5, 5.0)) * dice.random()
        world.temporal.retention = self.dice.choice(kind.retentions)

    def end(self) -> None:
        """Have everything work, and everybody live."""
        world = self.world
        world.kube.faults.rates, world.driver.rates = CALM, driver.CALM
        world.kube.come_back()
        world.temporal.lag = lambda _: 0.0
        for worker in world.workers:
            worker.start_again()
        for volume in world.volumes:
            if not world.has_pv(volume):
                world.create_pv(volume)
        self.nodes.come_back()

    async def go_on(self) -> None:
        """Do one thing after the other."""
        for number in count(1):
            self.dice.seed(f"{self.world.plan.seed}/act {number}")  # whatever an act throws changes no later one
            await asyncio.sleep(self.dice.expovariate(1 / self.world.plan.kind.pause))
            act = self.dice.choice(self._acts)
            if not self.world.is_over and self.world.mishaps.befalls("act", number, act.__name__):
                await act()

    def happened(self, volume: str) -> None:
        """Have a worker die soon after something has happened, where most is under way."""
        self._happened += 1
        if volume and self.deaths.random() < 0.01:
            dying = self._die(self._happened)
            asyncio.get_running_loop().create_task(dying, context=contextvars.Context())

    async def _die(self, number: int) -> None:
        if self.world.mishaps.befalls("death", number, "a worker dies"):
            await asyncio.sleep(self.dice.uniform(0, 0.01))
            await self._kill()

    def handed_out(self, what: str, identity: str) -> None:
        """Have the worker freeze that has just got a task of this type, mostly for longer than a server waits for it."""
        rate = self.world.plan.kind.freezes.get(what, 0.0)
        if not rate:
            return
        self._handed_out += 1
        self.freezes.seed(f"{self.world.plan.seed}/freeze {self._handed_out}")
        if self.freezes.random() < rate and self.world.mishaps.befalls(
            "freeze", self._handed_out, f"{identity} freezes with a {what}"
        ):
            after = self.freezes.uniform(0, 0.05) if what == WORKFLOW_TASK else 0.0  # so that an activity has asked for nothing yet
            seconds = self.freezes.uniform(2, 20 if what == WORKFLOW_TASK else 120)
            for worker in self.world.workers:
                if worker.process is not None and worker.process.name == identity:
                    call_later(after, worker.pause, seconds)


def _named(parts: tuple[object, ...], name: str) -> Act:
    found: Act = next(getattr(part, name) for part in parts if hasattr(part, name))
    return found

"""How soon Mooring recovers: measured at the end of a campaign, on its parts, with no other fault and no other load.

Contract: each figure ends with what a caller sees. The machine's own clock is that of all processes.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from mooring.devstack.process import running
from mooring.errors import MooringError
from tests.campaign.failpoints import Armed, Fired, Mode
from tests.campaign.parts import Seat
from tests.campaign.stage import Stage
from tests.harness.chain.cluster import node_id_of
from tests.harness.driver.journal import attachments_of

DEADLINE: Final = 60.0
GLANCE_SECONDS: Final = 0.1
MID_PUBLISH: Final = "driver.publish.before"
"""The record is written then, and the driver has not been asked."""
OUTAGE_SECONDS: Final = 10.0
BOUND_SECONDS: Final = 180.0
ASLEEP: Final = ("sleep", "infinity")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    kills: int = 20
    alone: int = 8
    volumes: int = 100
    waiting: int = 30


async def measure(stage: Stage, sizes: Sizes) -> AsyncIterator[str]:
    """Measure, and yield a line for each figure."""
    measured = Recovery(stage)
    yield _spread("killed in mid-publish until completed, with other workers", await measured.kills(sizes.kills))
    async with measured.alone():
        yield _spread("killed in mid-publish until completed, alone and restarted", await measured.kills(sizes.alone))
    yield f"dead node with {sizes.volumes} volumes until released: {await measured.dead_node(sizes.volumes):.1f} s"
    for part in ("temporal", "kube-apiserver"):
        seconds = await measured.outage(part, sizes.waiting)
        yield f"{part} back after {OUTAGE_SECONDS:g} s until {sizes.waiting} callers have their volumes: {seconds:.1f} s"


def _spread(what: str, seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return f"{what}: p50 {p50:.1f} s, p99 {p99:.1f} s, max {ordered[-1]:.1f} s, of {len(ordered)}"


@dataclass(slots=True)
class Recovery:
    """The measurements. `number` counts what needs a name of its own."""

    stage: Stage
    number: int = 0

    async def kills(self, times: int) -> list[float]:
        """Have the first worker die in mid-publish so often; return the seconds until each publish was completed."""
        volume = await self._volume()
        return [await self._kill(volume) for _ in range(times)]

    async def _kill(self, volume: str) -> float:
        seat, node = self.stage.parts.seats[0], node_id_of(self.stage.nodes[0])
        await seat.ready()
        self.number += 1
        armed = Armed(f"recovery-{self.number}", MID_PUBLISH, Mode.CRASH)
        seat.fuses.arm(armed)
        async with asyncio.timeout(BOUND_SECONDS):
            while True:
                await self._publish(volume, node)
                completed = time.monotonic()
                await self._unpublish(volume, node)
                if fired := _firing(seat, armed):
                    return completed - fired.at

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Have the first worker be the only one while the block lasts, and started without a nursery."""
        first, *others = self.stage.parts.seats
        way, first.kept.way = first.kept.way, running
        for seat in others:
            seat.kept.command = ASLEEP
            seat.kept.send(signal.SIGTERM)
        await asyncio.gather(*map(_stopped, others))
        yield
        first.kept.way = way
        for seat in others:
            seat.as_it_was()
            seat.kept.send(signal.SIGKILL)
        await asyncio.gather(*(seat.ready() for seat in others))

    async def dead_node(self, volumes: int) -> float:
        """Return the seconds from the taint of a node that has so many volumes until the driver has detached them all."""
        node = await self.stage.cluster.node("dead")
        handles = [await self._volume() for _ in range(volumes)]
        await asyncio.gather(*(self._publish(handle, node_id_of(node)) for handle in handles))
        begun = time.monotonic()
        await self.stage.cluster.take_out_of_service(node)
        await self._until(lambda: not self._attached() & {*handles})
        return time.monotonic() - begun

    async def outage(self, part: str, callers: int) -> float:
        """Stop a part, have so many callers ask meanwhile; return the seconds from its return until each has its volume."""
        kept, node = self.stage.parts.kept[part], node_id_of(self.stage.nodes[0])
        handles = [await self._volume() for _ in range(callers)]
        kept.send(signal.SIGSTOP)
        asked = [asyncio.create_task(self._publish(handle, node)) for handle in handles]
        await asyncio.sleep(OUTAGE_SECONDS)
        kept.send(signal.SIGCONT)
        begun = time.monotonic()
        async with asyncio.timeout(BOUND_SECONDS):
            await asyncio.gather(*asked)
        took = time.monotonic() - begun
        await asyncio.gather(*(self._unpublish(handle, node) for handle in handles))
        return took

    async def _publish(self, volume: str, node: str) -> None:
        await _insist(lambda: self.stage.mooring().publish(volume, node, deadline=DEADLINE))

    async def _unpublish(self, volume: str, node: str) -> None:
        await _insist(lambda: self.stage.mooring().unpublish(volume, node, deadline=DEADLINE))

    async def _volume(self) -> str:
        self.number += 1
        return (await self.stage.cluster.volume(f"recovery-{self.number}")).handle

    def _attached(self) -> set[str]:
        return {volume for volume, nodes in attachments_of(self.stage.parts.journal()).items() if nodes}

    async def _until(self, so: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND_SECONDS):
            while not so():
                await asyncio.sleep(GLANCE_SECONDS)


async def _insist(ask: Callable[[], Awaitable[object]]) -> None:
    """Ask until it is done."""
    while True:
        try:
            await ask()
        except MooringError:
            await asyncio.sleep(GLANCE_SECONDS)
        else:
            return


async def _stopped(seat: Seat) -> None:
    async with asyncio.timeout(BOUND_SECONDS):
        while await seat.serves():
            await asyncio.sleep(GLANCE_SECONDS)


def _firing(seat: Seat, armed: Armed) -> Fired | None:
    return next((fired for fired in seat.fuses.fired() if fired.id == armed.id), None)

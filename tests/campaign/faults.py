"""The faults of a plan, and how each is brought about.

Contract: each fault ends by itself, and all have ended when `carry_out` returns. A part has one fault at a time: one that meets
another there is left out, and not counted.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from tests.campaign.failpoints import Armed
from tests.campaign.parts import GLANCE_SECONDS, Parts, Seat
from tests.campaign.plan import CODES, OLD, Planned
from tests.campaign.proxy import TcpProxy, Way
from tests.harness.driver.orders import DROP, Order

ARMED_SECONDS: Final = 6.0
"""Time for which points are armed."""
ROLL_SECONDS: Final = 30.0
"""Time after which a rolling restart goes on, though the worker doesn't serve yet: another fault may be in its way."""


@dataclass(slots=True)
class Faults:
    """The faults at running parts. `counts` has those that were brought about, by name; a failpoint counts when it fires."""

    parts: Parts
    before: Callable[[Seat], None] | None = None
    """Gives a seat to version 0.1.0, from its next start on."""
    counts: Counter[str] = field(default_factory=Counter)
    _busy: set[str] = field(default_factory=set)

    async def carry_out(self, planned: Iterator[Planned], stop: asyncio.Event) -> None:
        """Bring faults about until asked to stop, and wait for the last to end."""
        async with asyncio.TaskGroup() as group:
            for each in planned:
                await asyncio.sleep(each.gap)
                if stop.is_set():
                    break
                group.create_task(self._bring(each))
        for seat in self.parts.seats:
            seat.fuses.arm()
            seat.fuses.skew(0)

    async def _bring(self, each: Planned) -> None:
        places = _places(each)
        if places & self._busy or (each.kind in OLD and self.before is None):
            return
        self._busy |= places
        try:
            happened = await self._way(each.kind)(each)
            self.counts[each.name] += happened
        finally:
            self._busy -= places

    def _way(self, kind: str) -> Callable[[Planned], Awaitable[int]]:
        ways: dict[str, Callable[[Planned], Awaitable[int]]] = {
            "failpoint": self._failpoint,
            "kill": self._kill,
            "pause": self._pause,
            "proxy-api": lambda each: _turn(self.parts.api_proxy, each),
            "proxy-temporal": lambda each: _turn(self.parts.temporal_proxy, each),
            "driver": self._driver,
            "restart": self._restart,
            "clock": self._clock,
            "full-log": self._full_log,
            "old-version": self._old_version,
            "rolling": self._rolling,
        }
        return ways[kind]

    async def _failpoint(self, each: Planned) -> int:
        """Arm points for a while, which share their number of times; their firings count later, by themselves."""
        fuses = self._seat(each).fuses
        fuses.arm(*(Armed(str(each.number), point, each.mode, each.seconds, each.times) for point in each.detail.split()))
        await asyncio.sleep(ARMED_SECONDS)
        fuses.arm()
        return 0

    async def _kill(self, each: Planned) -> int:
        return self.parts.kept[each.part].send(signal.SIGKILL)

    async def _pause(self, each: Planned) -> int:
        kept = self.parts.kept[each.part]
        if not kept.send(signal.SIGSTOP):
            return 0
        await asyncio.sleep(each.seconds)
        kept.send(signal.SIGCONT)
        return 1

    async def _restart(self, each: Planned) -> int:
        return self.parts.kept[each.part].send(signal.SIGTERM)

    async def _clock(self, each: Planned) -> int:
        fuses = self._seat(each).fuses
        fuses.skew(each.seconds)
        await asyncio.sleep(5.0)
        fuses.skew(0)
        return 1

    async def _full_log(self, each: Planned) -> int:
        """Start a worker again whose log has no room, for a while."""
        seat = self._seat(each)
        seat.kept.command = ["sh", "-c", 'exec "$@" >/dev/full 2>&1', "full", *seat.command]
        async with self._instead(seat):
            await asyncio.sleep(10.0)
        return 1

    async def _old_version(self, each: Planned) -> int:
        """Have a worker of version 0.1.0 in the place of this one, for a while."""
        seat = self._seat(each)
        assert self.before is not None
        self.before(seat)
        async with self._instead(seat):
            await asyncio.sleep(each.seconds)
        return 1

    async def _rolling(self, _: Planned) -> int:
        """Roll version 0.1.0 out to all workers but the first, one after the other, and back; each start counts."""
        assert self.before is not None
        rolled = self.parts.seats[1:]
        for seat in rolled:
            self.before(seat)
            await _replaced(seat)
        for seat in rolled:
            seat.as_it_was()
            await _replaced(seat)
        return 2 * len(rolled)

    @asynccontextmanager
    async def _instead(self, seat: Seat) -> AsyncIterator[None]:
        """Have the seat restarted as it is now planned, and in the end as it was."""
        seat.kept.send(signal.SIGTERM)
        try:
            yield
        finally:
            seat.as_it_was()
            seat.kept.send(signal.SIGTERM)

    async def _driver(self, each: Planned) -> int:
        """Give the driver an order for its next calls."""
        order = _order(each)
        self.parts.orders.add(order)
        await asyncio.sleep(each.seconds)
        self.parts.orders.withdraw(order)
        return 1

    def _seat(self, each: Planned) -> Seat:
        return self.parts.seats[int(each.part.removeprefix("worker-")) - 1]


async def _replaced(seat: Seat) -> None:
    """Have the seat's worker end and its next one serve, within a bound."""
    starts = seat.kept.starts
    seat.kept.send(signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(ROLL_SECONDS):
            while seat.kept.starts == starts:
                await asyncio.sleep(GLANCE_SECONDS)
            await seat.ready()


def _places(each: Planned) -> set[str]:
    """Return what may have no other fault meanwhile.

    NB: a call of version 0.1.0 bears no token, so one that the driver is late with may do what was promised to be impossible since.
    """
    if each.kind in OLD:
        rolled = {"worker-2"} if each.kind == "rolling" else set()
        return {each.part, *rolled, "driver", "orders"}
    return {f"points of {each.part}" if each.kind == "failpoint" else each.part}


def _order(each: Planned) -> Order:
    code = CODES[each.number % len(CODES)]
    name = f"fault-{each.number}"
    match each.detail:
        case "delay":
            return Order(id=name, delay_seconds=1.0, times=10)
        case "hold":
            return Order(id=name, hold="before" if each.number % 2 else "after", times=5)
        case "fail":
            return Order(id=name, fail=code, times=5)
        case "lose":
            return Order(id=name, lose=code, times=5)
        case _:
            return Order(id=name, lose=DROP, times=1)


async def _turn(proxy: TcpProxy, each: Planned) -> int:
    proxy.turn(Way(each.detail))
    await asyncio.sleep(each.seconds)
    proxy.turn(Way.OPEN)
    return 1

"""The faults of a campaign: which, when, for how long, by its seed; and how each is brought about.

Contract: a seed gives one plan. Each fault ends by itself, and all have ended when `carry_out` returns. A part has one fault at a
time: one that meets another there is left out, and not counted.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.campaign.failpoints import POINTS, Armed, Mode
from tests.campaign.parts import Parts, Seat
from tests.campaign.proxy import TcpProxy, Way
from tests.harness.driver.orders import DROP, Order

KINDS: Final = {
    "failpoint": 60,
    "kill": 14,
    "pause": 12,
    "proxy-api": 8,
    "proxy-temporal": 8,
    "driver": 8,
    "restart": 3,
    "clock": 3,
    "full-log": 2,
    "old-version": 2,
}
"""Each kind of fault, and how often it is drawn beside the others."""
PARTS: Final = {
    "worker-1": 6,
    "worker-2": 6,
    "worker-3": 6,
    "driver": 3,
    "csi-attacher": 3,
    "kube-controller-manager": 2,
    "temporal": 2,
    "kube-apiserver": 1,
    "etcd": 1,
}
"""Each part that is killed and stopped, likewise."""
GAPS: Final = (0.5, 1.0, 2.0, 4.0)
LENGTHS: Final = (0.3, 0.3, 1.0, 1.0, 3.0, 8.0)
SECONDS: Final = {Mode.DELAY: (0.1, 1.5), Mode.HANG: (6.0, 25.0), Mode.FREEZE: (0.5, 5.0)}
POINTS_AT_ONCE: Final = 6
WRONG_WAYS: Final = tuple(way for way in Way if way is not Way.OPEN)
CODES: Final = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "ABORTED")


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault: after a gap, of a kind, at a part, for so long; `detail` is the kind's own."""

    number: int
    gap: float
    kind: str
    part: str
    seconds: float
    detail: str = ""
    mode: Mode = Mode.ERROR
    times: int = 1

    @property
    def name(self) -> str:
        """The words by which it is counted."""
        match self.kind:
            case "failpoint":
                return f"failpoint {self.mode}"
            case "kill" | "pause":
                return f"{self.kind} {self.part.rstrip('-123456789')}"
            case _:
                return f"{self.kind} {self.detail}".rstrip()


def plan(seed: str, kinds: dict[str, int] = KINDS) -> Iterator[Planned]:
    """Yield the faults of a seed, without end."""
    dice = random.Random(seed)  # noqa: S311 - it is to be repeatable
    number = 0
    while True:
        number += 1
        (kind,) = dice.choices([*kinds], [*kinds.values()])
        yield _drawn(number, kind, dice)


def _drawn(number: int, kind: str, dice: random.Random) -> Planned:
    gap, seconds, worker = dice.choice(GAPS), dice.choice(LENGTHS), f"worker-{dice.randint(1, 3)}"
    match kind:
        case "failpoint":
            mode = dice.choice([*Mode])
            lasts = round(dice.uniform(*SECONDS.get(mode, (0.0, 0.0))), 2)
            points = " ".join(dice.sample(POINTS, POINTS_AT_ONCE))
            return Planned(number, gap, kind, worker, lasts, points, mode, dice.choice((1, 1, 3)))
        case "kill" | "pause":
            (part,) = dice.choices([*PARTS], [*PARTS.values()])
            return Planned(number, gap, kind, part, seconds)
        case "proxy-api" | "proxy-temporal":
            return Planned(number, gap, kind, kind, seconds, dice.choice(WRONG_WAYS))
        case "driver":
            return Planned(number, gap, kind, "orders", seconds, dice.choice(("delay", "hold", "fail", "lose", "drop")))
        case "clock":
            return Planned(number, gap, kind, worker, dice.choice((-3600.0, -30.0, 7.0, 300.0)))
        case "old-version":
            return Planned(number, gap, kind, "worker-3", 10.0)
        case _:
            return Planned(number, gap, kind, worker, seconds)


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
        if places & self._busy or (each.kind == "old-version" and self.before is None):
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
        }
        return ways[kind]

    async def _failpoint(self, each: Planned) -> int:
        """Arm points for a while, which share their number of times; their firings count later, by themselves."""
        fuses = self._seat(each).fuses
        fuses.arm(*(Armed(str(each.number), point, each.mode, each.seconds, each.times) for point in each.detail.split()))
        await asyncio.sleep(2.0)
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


def _places(each: Planned) -> set[str]:
    """Return what may have no other fault meanwhile.

    NB: a call of version 0.1.0 bears no token, so one that the driver is late with may do what was promised to be impossible since.
    """
    if each.kind == "old-version":
        return {each.part, "driver", "orders"}
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

"""The plan of a campaign: which faults there are, when, and for how long, by its seed.

Contract: a seed gives one plan, without end.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.campaign.failpoints import POINTS, RARE_POINTS, Mode
from tests.campaign.proxy import Way

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
    "rolling": 1,
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
GAPS: Final = (1.0, 2.0, 4.0, 8.0)
LENGTHS: Final = (0.3, 0.3, 1.0, 1.0, 3.0, 8.0)
SECONDS: Final = {Mode.DELAY: (0.1, 1.5), Mode.HANG: (6.0, 25.0), Mode.FREEZE: (0.5, 5.0)}
POINTS_AT_ONCE: Final = 8
OLD: Final = ("old-version", "rolling")
"""Those that bring workers of version 0.1.0."""
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
            points = " ".join(dice.sample(dice.choice((POINTS, RARE_POINTS)), POINTS_AT_ONCE))
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
        case "old-version" | "rolling":
            return Planned(number, gap, kind, "worker-3", 10.0)
        case _:
            return Planned(number, gap, kind, worker, seconds)

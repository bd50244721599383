"""Decisions, each by the dice that are handed in, of what becomes of a request and of a watch.

A refusal by a status is one of a request that was not carried out, and only a status that a real API server gives to such a
request. What was carried out may be answered with a failure of the server, with a cut connection, or never.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

TRAVEL_SECONDS: Final = (0.0002, 0.003)
READ_CODES: Final = (401, 403, 429, 500, 503, 504)
WRITE_CODES: Final = (*READ_CODES, 409, 422)
LIST_CODES: Final = (*READ_CODES, 410)
NEVER: Final = float("inf")


class Loss(Enum):
    """Ways for an answer to be lost."""

    CUT = "the connection ends"
    SILENCE = "nothing arrives"
    FAILURE = "the server says that it failed"


class End(Enum):
    """Ways for a watch to end before its time."""

    CUT = "the connection ends"
    SILENCE = "nothing arrives any more"
    GONE = "its past is forgotten"


@dataclass(frozen=True, slots=True)
class FaultRates:
    """Chances, from 0 to 1, and the most seconds that each fault takes."""

    lost_requests: float = 0.0
    lost_answers: float = 0.0
    hanging: float = 0.0
    """Chance that a request arrives late, which may be after its caller has given up; with `hanging_seconds` at most."""
    hanging_seconds: float = 120.0
    slow_answers: float = 0.0
    slow_seconds: float = 20.0
    refusals: float = 0.0
    codes: frozenset[int] = frozenset({*WRITE_CODES, *LIST_CODES})
    """The statuses of refusals; of these each request gets one that it can get."""
    stale_lists: float = 0.0
    ending_watches: float = 0.0
    ending_seconds: float = 300.0
    ends: tuple[End, ...] = tuple(End)
    stale_watches: float = 0.0
    stale_seconds: float = 30.0


CALM: Final = FaultRates()


@dataclass(frozen=True, slots=True)
class Fate:
    """The fate of one request: the seconds that it and its answer travel, the status that refuses it or 0, and the losses."""

    travels: float
    returns: float
    refused: int = 0
    is_lost: bool = False
    loses_answer: Loss | None = None


@dataclass(frozen=True, slots=True)
class WatchFate:
    """The fate of one watch: how and after how many seconds it ends, and by how much what it shows is late."""

    end: End | None = None
    after: float = NEVER
    late: float = 0.0


@dataclass(slots=True)
class Faults:
    """The decisions for one server. `rates` may be changed at any time."""

    dice: random.Random
    rates: FaultRates = field(default_factory=FaultRates)

    def fate(self, method: str, *, is_list: bool) -> Fate:
        """Decide about a request."""
        rates = self.rates
        travels, returns = self._travel(), self._travel()
        if self._happens(rates.hanging):
            travels += self.dice.uniform(0, rates.hanging_seconds)
        if self._happens(rates.slow_answers):
            returns += self.dice.uniform(0, rates.slow_seconds)
        if self._happens(rates.lost_requests):
            return Fate(travels, returns, is_lost=True)
        if self._happens(rates.refusals):
            return Fate(travels, returns, refused=self._code(method, is_list=is_list))
        lost = self.dice.choice(list(Loss)) if self._happens(rates.lost_answers) else None
        return Fate(travels, returns, loses_answer=lost)

    def watch_fate(self) -> WatchFate:
        """Decide about a watch."""
        rates = self.rates
        late = self.dice.uniform(0, rates.stale_seconds) if self._happens(rates.stale_watches) else 0.0
        if not self._happens(rates.ending_watches):
            return WatchFate(late=late)
        return WatchFate(self.dice.choice(rates.ends), self.dice.uniform(0, rates.ending_seconds), late)

    def shown(self, revisions: Sequence[int]) -> int:
        """Choose the revision of a list that may be stale."""
        return self.dice.choice(revisions) if self._happens(self.rates.stale_lists) else revisions[-1]

    def _code(self, method: str, *, is_list: bool) -> int:
        usual = LIST_CODES if is_list else READ_CODES if method == "GET" else WRITE_CODES
        return self.dice.choice([code for code in usual if code in self.rates.codes] or [0])

    def _travel(self) -> float:
        return self.dice.uniform(*TRAVEL_SECONDS)

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self.dice.random() < chance

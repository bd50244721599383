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

from tests.simulation.mishaps import Mishaps

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
    """The decisions for one server. `rates` may be changed at any time.

    Each decision has dice of its own, so that what comes of it changes no later one.
    """

    dice: random.Random
    rates: FaultRates = field(default_factory=FaultRates)
    mishaps: Mishaps = field(default_factory=Mishaps)
    _requests: int = 0
    _watches: int = 0
    _lists: int = 0

    def fate(self, method: str, path: str, *, is_list: bool) -> Fate:
        """Decide about a request."""
        dice = self._own_dice()
        self._requests += 1
        calm = Fate(dice.uniform(*TRAVEL_SECONDS), dice.uniform(*TRAVEL_SECONDS))
        fate = self._upset(dice, calm, method, is_list=is_list)
        if fate == calm or self.mishaps.befalls("request", self._requests, f"{method} {path} {_words(fate)}"):
            return fate
        return calm

    def watch_fate(self) -> WatchFate:
        """Decide about a watch."""
        rates, dice = self.rates, self._own_dice()
        self._watches += 1
        late = dice.uniform(0, rates.stale_seconds) if _happens(dice, rates.stale_watches) else 0.0
        fate = WatchFate(late=late)
        if _happens(dice, rates.ending_watches):
            fate = WatchFate(dice.choice(rates.ends), dice.uniform(0, rates.ending_seconds), late)
        if fate == WatchFate() or self.mishaps.befalls("watch", self._watches, _words_of_watch(fate)):
            return fate
        return WatchFate()

    def shown(self, revisions: Sequence[int]) -> int:
        """Choose the revision of a list that may be stale."""
        dice = self._own_dice()
        self._lists += 1
        shown = dice.choice(revisions) if _happens(dice, self.rates.stale_lists) else revisions[-1]
        behind = f"a list is {revisions[-1] - shown} changes behind"
        return shown if shown == revisions[-1] or self.mishaps.befalls("list", self._lists, behind) else revisions[-1]

    def _upset(self, dice: random.Random, calm: Fate, method: str, *, is_list: bool) -> Fate:
        rates, travels, returns = self.rates, calm.travels, calm.returns
        if _happens(dice, rates.hanging):
            travels += dice.uniform(0, rates.hanging_seconds)
        if _happens(dice, rates.slow_answers):
            returns += dice.uniform(0, rates.slow_seconds)
        if _happens(dice, rates.lost_requests):
            return Fate(travels, returns, is_lost=True)
        if _happens(dice, rates.refusals):
            return Fate(travels, returns, refused=self._code(dice, method, is_list=is_list))
        lost = dice.choice(list(Loss)) if _happens(dice, rates.lost_answers) else None
        return Fate(travels, returns, loses_answer=lost)

    def _code(self, dice: random.Random, method: str, *, is_list: bool) -> int:
        usual = LIST_CODES if is_list else READ_CODES if method == "GET" else WRITE_CODES
        return dice.choice([code for code in usual if code in self.rates.codes] or [0])

    def _own_dice(self) -> random.Random:
        return random.Random(self.dice.getrandbits(64))  # noqa: S311 - a seed is the point


def _happens(dice: random.Random, chance: float) -> bool:
    return chance > 0 and dice.random() < chance


def _words(fate: Fate) -> str:
    """Say what becomes of a request."""
    travels, returns = (f"{seconds:.1f} s later" if seconds > TRAVEL_SECONDS[1] else "" for seconds in (fate.travels, fate.returns))
    if fate.is_lost:
        return "is lost"
    said = [f"arrives {travels}"] if travels else []
    said += [f"is refused with {fate.refused}"] if fate.refused else []
    said += [f"is answered {returns}"] if returns else []
    said += [f"loses its answer: {fate.loses_answer.value}"] if fate.loses_answer else []
    return ", ".join(said)


def _words_of_watch(fate: WatchFate) -> str:
    said = [f"a watch shows all {fate.late:.1f} s late"] if fate.late else []
    said += [f"a watch ends after {fate.after:.1f} s: {fate.end.value}"] if fate.end else []
    return ", ".join(said)

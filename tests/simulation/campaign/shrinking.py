"""The search for the shortest story of what a world has broken: the same rule, with as little as it can be broken with.

Each world is let live again with less: fewer volumes, workers and nodes, then with fewer of the things that went wrong, then with
fewer operations. One that breaks the same rule is shortened further. It is a search by luck, among a bounded number of worlds: of
a shorter one the dice make another story, which may show the same fault or none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.simulation.campaign.lives import Outcome
from tests.simulation.campaign.world import Plan

LEAST: Final = {"volumes": 1, "workers": 1, "nodes": 2}


@dataclass(slots=True)
class Shrinker:
    """The search; `found` is the shortest so far. `live` lets a world live, as `most` of them do at most."""

    found: Outcome
    live: Callable[[Plan], Outcome]
    most: int
    lives: int = 0

    def shrink(self) -> Outcome:
        """Return the shortest story that is found."""
        for name, least in LEAST.items():
            self._lessen(name, least)
        self._drop_mishaps()
        while self._with(operations=self.found.operations // 2) or self._with(operations=self.found.operations - 1):
            pass
        self._drop_mishaps()
        return self.found

    def _lessen(self, name: str, least: int) -> None:
        for number in range(least, getattr(self.found.plan, name)):
            if self._with(**{name: number}):
                return

    def _drop_mishaps(self) -> None:
        """Leave out what went wrong, first all of it, then ever smaller parts, and last each thing alone."""
        size = len(self.found.mishaps)
        while size:
            begin = 0
            while begin < len(self.found.mishaps) and self.lives < self.most:
                happened = self.found.mishaps
                if not self._with(only=frozenset(happened[:begin] + happened[begin + size :])):
                    begin += size
            size = 0 if size == 1 else (size + 1) // 2

    def _with(self, **changed: Any) -> bool:
        """Return whether the same rule is broken by a world that differs so, and is no longer than the one found."""
        if self.lives >= self.most or changed.get("operations", 1) < 1:
            return False
        self.lives += 1
        outcome = self.live(replace(self.found.plan, **{"operations": self.found.operations, **changed}))
        if outcome.rule != self.found.rule or outcome.operations > self.found.operations:
            return False
        self.found = outcome
        return True

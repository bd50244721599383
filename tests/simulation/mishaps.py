"""All that goes wrong in a world, each thing with a name, so that a world can live again with only some of it.

A name is a part and a number within it, such as `request-12`. Invariant: leaving one thing out throws no dice otherwise, so what
comes after it differs only by what follows from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Part = Literal["request", "watch", "list", "call", "act", "death", "freeze"]


def to_nobody(_: str) -> None:
    """Say nothing."""


@dataclass(slots=True)
class Mishaps:
    """What went wrong so far. `only`: the names of what may happen, None for all; `tell` is given each thing in words."""

    only: frozenset[str] | None = None
    tell: Callable[[str], None] = to_nobody
    happened: list[str] = field(default_factory=list)

    def befalls(self, part: Part, number: int, words: str) -> bool:
        """Return whether something goes wrong that the dice have decided on, and take it in."""
        name = f"{part}-{number}"
        if self.only is not None and name not in self.only:
            return False
        self.happened.append(name)
        self.tell(f"{name}: {words}")
        return True

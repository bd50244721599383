"""Pauses between retries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import random


def pauses(first: float, longest: float, spread: Callable[[], float] = random) -> Iterator[float]:
    """Yield seconds, without end: each up to twice the one before, at most `longest`, and spread so that callers diverge.

    `spread` gives numbers from 0 to 1.
    """
    pause = first
    while True:
        yield pause * (0.5 + spread() / 2)
        pause = min(longest, pause * 2)

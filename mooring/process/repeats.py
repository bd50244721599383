"""Warnings of what goes on: once, and then, for as long as it does, at growing intervals with how long it has.

Contract: each reason is logged when it is first met, up to `MOST` of them. After that one line a due interval says that it goes on,
whichever of the reasons is met then.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

FIRST: Final = 60.0
LONGEST: Final = 3600.0
MOST: Final = 20
"""Reasons that are told apart. NB: a text may differ at every try."""


class RepeatedWarning:
    """The warnings about one thing that is tried again; `now` gives seconds."""

    def __init__(self, logger: logging.Logger, now: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._now = now
        self.over()

    def over(self) -> None:
        """Note that it has succeeded, so that what comes next is new."""
        self._began: float | None = None
        self._interval, self._due = FIRST, 0.0
        self._met: set[str] = set()

    def warn(self, why: str) -> None:
        """Warn of this, if that is due."""
        now = self._now()
        if self._began is None:
            self._began, self._due = now, now + FIRST
        if why not in self._met and len(self._met) < MOST:
            self._met.add(why)
            self._logger.warning("%s", why)
        elif now >= self._due:
            self._logger.warning("%s It has been so for %s.", why, timedelta(seconds=round(now - self._began)))
            self._interval = min(LONGEST, 2 * self._interval)
            self._due = now + self._interval

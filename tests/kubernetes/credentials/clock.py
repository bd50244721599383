"""A clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mooring.kubernetes.credentials.renewal import Clock

MINUTE = 61.0
START = datetime(2030, 1, 1, tzinfo=UTC)


class Hands:
    """The hands of a clock, moved by the test."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def clock(self) -> Clock:
        """Return the clock."""
        return Clock(lambda: START + timedelta(seconds=self.seconds), lambda: self.seconds)

    def move(self, seconds: float = MINUTE) -> None:
        """Let time pass."""
        self.seconds += seconds

    def after(self, seconds: float) -> str:
        """Return the time of day that many seconds from the start."""
        return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

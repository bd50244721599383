"""What a world watches as it happens: its history, and the runs of its Temporal server."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.simulation.temporal_server.run import Run
from tests.simulation.temporal_server.server import Server


class WatchedHistory(list[Any]):
    """A history that tells each event as it happens."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, event: Any) -> None:
        super().append(event)
        self._tell(event)


class WatchedServer(Server):
    """A Temporal server that tells of the beginning and the end of each run, and of the tasks that workers get."""

    def __init__(self, dice: random.Random, tell: Callable[[Run], None], handed_out: Callable[[Run, str, str], None]) -> None:
        super().__init__(dice)
        self._tell = tell
        self._handed_out = handed_out

    def add(self, run: Run) -> None:
        super().add(run)
        self._tell(run)

    def handed_out(self, run: Run, what: str, identity: str) -> None:
        super().handed_out(run, what, identity)
        self._handed_out(run, what, identity)

    def closed(self, run: Run) -> None:
        super().closed(run)
        self._tell(run)

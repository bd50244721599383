"""Named points in a worker at which a campaign has something go wrong, and what goes wrong there.

Contract: a point does nothing until the campaign arms it, by a file in the worker's folder. Each firing is on disk before it takes
effect, so that a worker which it kills doesn't meet the same again when it starts.

No deployed code knows of these points: they are in wrappers (wrappers.py) that the campaign's own worker (worker.py) puts around
the parts that it hands to the deployed one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

ACTIVITIES: Final = (
    "observe_volume",
    "look_at_volume",
    "record_attachment",
    "release_attachment",
    "persist_attachment",
    "undo_attachment",
    "find_unpersisted",
    "drop_unpersisted",
    "outwait_unpersisted",
    "check_operation",
    "check_publisher",
    "check_recorder",
    "wait_for_volume",
    "wait_for_migration",
    "check_node",
    "backend_publish",
    "backend_unpublish",
    "backend_undo",
    "rebuild_index",
    "begin_reconciliation",
    "survey_drift",
    "heal_drift",
    "evacuation_terms",
    "look_at_node",
    "list_volumes_of_node",
    "release_volume",
    "count_released",
    "warn_not_cleared",
)
RARE: Final = (
    "outwait_unpersisted",
    "check_operation",
    "check_publisher",
    "wait_for_volume",
    "find_unpersisted",
    "persist_attachment",
    "drop_unpersisted",
    "check_node",
    "begin_reconciliation",
    "survey_drift",
    "evacuation_terms",
    "look_at_node",
    "list_volumes_of_node",
    "release_volume",
    "count_released",
)
"""Those that a small part of a campaign's load passes."""
CALLS: Final = (
    "kubernetes.GET",
    "kubernetes.LIST",
    "kubernetes.WATCH",
    "kubernetes.PATCH",
    "kubernetes.POST",
    "driver.publish",
    "driver.unpublish",
    "driver.list",
    "temporal.start",
    "temporal.describe",
    "temporal.cancel",
    "temporal.list",
    "temporal.count",
    "temporal.history",
    "csi.publish",
    "csi.unpublish",
)
STEPS: Final = (*(f"activity.{name}" for name in ACTIVITIES), *CALLS)
POINTS: Final = tuple(f"{step}.{when}" for step in STEPS for when in ("before", "after"))
"""All points: before a step has its effect, and after that, before its answer is given on."""
RARE_POINTS: Final = tuple(point for point in POINTS if point.split(".")[1] in RARE)


class Mode(StrEnum):
    """What goes wrong at a point."""

    ERROR = "error"
    """The step fails: before its effect, or, after it, by the loss of its answer."""
    DELAY = "delay"
    """It is late, and within every bound."""
    HANG = "hang"
    """It goes on long after whoever waited has given up."""
    FREEZE = "freeze"
    """The whole process stands still for a while."""
    CRASH = "crash"
    """The process is gone, as by kill -9."""


class Armed(msgspec.Struct, frozen=True):
    """A point that fires the next `times` times that it is reached; `seconds`: how long a delay, hang or freeze lasts."""

    id: str
    point: str
    mode: Mode
    seconds: float = 1.0
    times: int = 1


class Fired(msgspec.Struct, frozen=True):
    """One firing, at seconds of the machine's monotonic clock."""

    id: str
    point: str
    mode: Mode
    at: float


class Fuses:
    """The files by which a campaign arms the points of one worker, and learns what has fired."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def arm(self, *armed: Armed) -> None:
        """Have these armed, and no others."""
        self._write("armed.json", msgspec.json.encode(armed))

    def skew(self, seconds: float) -> None:
        """Have the worker's clock go wrong by so much."""
        self._write("skew", str(seconds).encode())

    def fired(self) -> list[Fired]:
        """Return all firings so far."""
        path = self.folder / "fired.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [msgspec.json.decode(line, type=Fired) for line in lines]

    def _write(self, name: str, content: bytes) -> None:
        draft = self.folder / f"{name}.draft"
        draft.write_bytes(content)
        draft.replace(self.folder / name)


class Failpoints:
    """The points of one worker process. `reached` counts how often each was passed."""

    def __init__(self, folder: Path) -> None:
        self.reached: Counter[str] = Counter()
        self._file = folder / "armed.json"
        self._fired = os.open(folder / "fired.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._uses = Counter(fired.id for fired in Fuses(folder).fired())
        self._armed: tuple[Armed, ...] = ()
        self._seen = 0

    async def hit(self, point: str, error: Callable[[str], Exception]) -> None:
        """Pass a point: return at once, late, or never; or raise the error that a loss would have been here."""
        self.reached[point] += 1
        for armed in self._current():
            if armed.point == point and self._uses[armed.id] < armed.times:
                self._note(armed)
                await _go_wrong(armed, error)
                return

    def _current(self) -> tuple[Armed, ...]:
        try:
            changed = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return ()
        if changed != self._seen:
            self._armed, self._seen = msgspec.json.decode(self._file.read_bytes(), type=tuple[Armed, ...]), changed
        return self._armed

    def _note(self, armed: Armed) -> None:
        self._uses[armed.id] += 1
        fired = Fired(armed.id, armed.point, armed.mode, time.monotonic())
        os.write(self._fired, msgspec.json.encode(fired) + b"\n")


async def _go_wrong(armed: Armed, error: Callable[[str], Exception]) -> None:
    match armed.mode:
        case Mode.ERROR:
            raise error(f"the campaign has {armed.point} fail")
        case Mode.DELAY | Mode.HANG:
            await asyncio.sleep(armed.seconds)
        case Mode.FREEZE:
            time.sleep(armed.seconds)  # noqa: ASYNC251 - nothing else is to go on meanwhile
        case Mode.CRASH:
            os.kill(os.getpid(), signal.SIGKILL)

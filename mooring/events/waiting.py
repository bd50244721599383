"""The events that wait to be written.

Contract: warnings come first, then what was taken first. What finds no room is refused; half of the room is for warnings alone.

Not kept here: the writing (recorder.py).
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mooring.events.reasons import EventNote

CROWD: Final = 10
"""Waiting events beyond which one that went well is written on one object."""


@dataclass(frozen=True, slots=True, order=True)
class WaitingEvent:
    """An event that waits; `calm` comes after what warns."""

    calm: bool
    place: int
    event: EventNote = field(compare=False)
    at: datetime = field(compare=False)


class WaitingEvents:
    """The events that wait for one recorder, `size` at most."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue: asyncio.PriorityQueue[WaitingEvent] = asyncio.PriorityQueue()
        self._places = itertools.count()
        self.get = self._queue.get
        self.task_done = self._queue.task_done
        self.join = self._queue.join

    def __len__(self) -> int:
        return self._queue.qsize()

    @property
    def is_crowded(self) -> bool:
        """True if so many wait that each is written on as few objects as will do."""
        return len(self) > CROWD

    def put(self, event: EventNote, at: datetime) -> bool:
        """Take the event, and return whether there is room for it."""
        calm = not event.reason.warns
        has_room = len(self) < (self._size // 2 if calm else self._size)
        if has_room:
            self._queue.put_nowait(WaitingEvent(calm, next(self._places), event, at))
        return has_room

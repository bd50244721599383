"""Task queues: tasks wait for pollers, pollers for tasks, each in its order."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol


class Dispatched(Protocol):
    """A task on a queue."""

    @property
    def wanted(self) -> bool:
        """True if it is still to be carried out."""


@dataclass(slots=True)
class TaskQueue:
    """A queue of one name and kind; `closed`: its only worker has said that it goes."""

    tasks: deque[Dispatched] = field(default_factory=deque)
    polls: deque[asyncio.Future[Dispatched]] = field(default_factory=deque)
    pollers: dict[str, float] = field(default_factory=dict)
    closed: bool = False

    def offer(self, task: Dispatched) -> None:
        """Hand the task to whoever polls, or keep it."""
        while self.polls:
            poll = self.polls.popleft()
            if not poll.done():
                poll.set_result(task)
                return
        self.tasks.append(task)

    async def poll(self, identity: str) -> Dispatched:
        """Wait for a task that is still wanted."""
        loop = asyncio.get_running_loop()
        while True:
            self.pollers[identity] = loop.time()
            while self.tasks:
                task = self.tasks.popleft()
                if task.wanted:
                    return task
            poll: asyncio.Future[Dispatched] = loop.create_future()
            self.polls.append(poll)
            try:
                task = await poll
            except asyncio.CancelledError:
                self._give_back(poll)
                raise
            if task.wanted:
                return task

    def _give_back(self, poll: asyncio.Future[Dispatched]) -> None:
        if poll.done() and not poll.cancelled():
            self.offer(poll.result())
        elif poll in self.polls:
            self.polls.remove(poll)


@dataclass(slots=True)
class Matching:
    """All task queues, by kind and name."""

    queues: dict[tuple[str, str], TaskQueue] = field(default_factory=dict)

    def queue(self, kind: str, name: str) -> TaskQueue:
        """Return a queue; it exists once it is asked for."""
        return self.queues.setdefault((kind, name), TaskQueue())

"""Task queues: tasks wait for pollers, pollers for tasks, each in its order."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from tests.simulation.clock import PROCESS, Process


class Dispatched(Protocol):
    """A task on a queue."""

    @property
    def wanted(self) -> bool:
        """True if it is still to be carried out."""

    def begin(self, identity: str) -> None:
        """Take in that a worker gets it."""


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll that waits, and the process that has sent it.

    NB: one of a process that is paused is handed a task, which comes back only when it times out.
    """

    identity: str
    answer: asyncio.Future[Dispatched]
    process: Process | None

    @property
    def waits(self) -> bool:
        """True if somebody hears the answer, now or later."""
        return not self.answer.done() and (self.process is None or not self.process.killed)


@dataclass(slots=True)
class TaskQueue:
    """A queue of one name and kind; `closed`: its only worker has said that it goes."""

    tasks: deque[Dispatched] = field(default_factory=deque)
    polls: deque[Poll] = field(default_factory=deque)
    pollers: dict[str, float] = field(default_factory=dict)
    closed: bool = False

    def offer(self, task: Dispatched) -> None:
        """Hand the task to whoever polls, or keep it."""
        if not task.wanted:
            return
        while self.polls:
            poll = self.polls.popleft()
            if poll.waits:
                task.begin(poll.identity)
                poll.answer.set_result(task)
                return
        self.tasks.append(task)

    async def poll(self, identity: str) -> Dispatched:
        """Wait for a task; one that was handed out is returned even if the poll is cancelled."""
        loop = asyncio.get_running_loop()
        self.pollers[identity] = loop.time()
        while self.tasks:
            task = self.tasks.popleft()
            if task.wanted:
                task.begin(identity)
                return task
        poll = Poll(identity, loop.create_future(), PROCESS.get())
        self.polls.append(poll)
        try:
            return await poll.answer
        except asyncio.CancelledError:
            if poll.answer.done() and not poll.answer.cancelled():
                return poll.answer.result()
            raise


@dataclass(slots=True)
class Matching:
    """All task queues, by kind and name."""

    queues: dict[tuple[str, str], TaskQueue] = field(default_factory=dict)

    def queue(self, kind: str, name: str) -> TaskQueue:
        """Return a queue; it exists once it is asked for."""
        return self.queues.setdefault((kind, name), TaskQueue())

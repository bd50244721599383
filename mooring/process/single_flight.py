"""One question at a time for all that ask it at once.

Contract: each caller is answered by a call that began after it asked, so an answer is as new as one of the caller's own. However
many ask, at most one call runs and one more is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The callers of `call`."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._running: asyncio.Task[T] | None = None
        self._due: asyncio.Task[T] | None = None

    async def ask(self) -> T:
        """Return the next call's result; raise its error."""
        if self._due is None:
            self._due = asyncio.create_task(self._follow(self._running))
            self._due.add_done_callback(retrieve_failure)
        return await asyncio.shield(self._due)  # one caller that is cancelled takes nothing from the others

    async def _follow(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._due = self._due, None
        return await self._call()


def retrieve_failure(task: asyncio.Task[T]) -> None:
    """Retrieve a failure for which no caller waits any more."""
    if not task.cancelled():
        task.exception()

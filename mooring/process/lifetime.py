"""The lifetime of a process: until a signal asks it to stop, and then a bounded time.

Contract: once asked to stop, it exits within a bound, whatever its work is stuck in.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from mooring.process.exits import exit_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


T = TypeVar("T")

logger = logging.getLogger(__name__)


async def until_signalled(work: Callable[[asyncio.Event], Awaitable[None]], patience: float) -> None:
    """Run the work until it ends. SIGTERM or SIGINT sets its event; `patience` seconds later the process exits in any case."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    working = asyncio.ensure_future(work(stop))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_set():
        await asyncio.wait([working], timeout=patience)
    if not working.done():
        logger.error("Not everything has stopped within %g s; exiting anyway.", patience)
        exit_process(1)  # NB: asyncio.run would wait for what is stuck
    working.result()


async def first(stop: asyncio.Event, work: Awaitable[Any]) -> bool:
    """Wait for the work or `stop`, and return whether the work ended first; otherwise it is cancelled."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        return working.done()
    finally:
        working.cancel()
        stopping.cancel()


@asynccontextmanager
async def set_with(stop: asyncio.Event) -> AsyncIterator[asyncio.Event]:
    """Yield an event that is set with `stop`, and may be set for other reasons."""
    also = asyncio.Event()

    async def follow() -> None:
        await stop.wait()
        also.set()

    following = asyncio.create_task(follow())
    try:
        yield also
    finally:
        following.cancel()


async def unless(stop: asyncio.Event, work: Awaitable[T]) -> T | None:
    """Return the work's result, or None if `stop` was set before it ended, in which case it is cancelled."""
    working = asyncio.ensure_future(work)
    return working.result() if await first(stop, working) else None

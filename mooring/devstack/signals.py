"""Work that ends, cleaned up, when the process is asked to end."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def until_told(work: Coroutine[Any, Any, T]) -> T | None:
    """Run the work and return its result, or None if SIGINT or SIGTERM cancelled it, once it has ended."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, task.cancel)
    await asyncio.wait([task])
    return None if task.cancelled() else task.result()

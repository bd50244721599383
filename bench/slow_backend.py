"""A backend that takes a time for each call, and few calls at once in each worker, as an array does."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from mooring.models import BackendCall

AT_ONCE: Final = 8
SECONDS: Final = "BENCH_BACKEND_SECONDS"
FACTORY: Final = "bench.slow_backend:open_backend"


class SlowBackend:
    """The backend of one worker."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def publish(self, call: BackendCall) -> dict[str, str]:  # noqa: ARG002
        """Take the time."""
        async with self._turns:
            await asyncio.sleep(self._seconds)
        return {}

    async def unpublish(self, call: BackendCall) -> None:
        """Take the time."""
        await self.publish(call)


def open_backend() -> SlowBackend:
    """Open the backend, as MOORING_BACKEND names this function."""
    return SlowBackend(float(os.environ[SECONDS]))

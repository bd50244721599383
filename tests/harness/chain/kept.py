"""A program that is started again whenever it ends, as a kubelet starts a container again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mooring.devstack.process import Child, running
from tests.harness.patience import PATIENCE

GLANCE_SECONDS: Final = 0.05
BACKOFF_SECONDS: Final = 0.3
Way = Callable[[Sequence[str], Path, Path, Mapping[str, str] | None], AbstractAsyncContextManager[Child]]
"""A way to run a command, with its log and folder."""


@dataclass(slots=True)
class Kept:
    """One program; all that it writes goes to one log. `starts` counts how often it was started.

    `command`, `environ` and `way` may be others from its next start on.
    """

    command: Sequence[str]
    log: Path
    environ: Mapping[str, str] | None
    way: Way = running
    starts: int = 0
    _child: Child | None = None

    @classmethod
    @asynccontextmanager
    async def start(
        cls, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None, way: Way = running
    ) -> AsyncIterator[Kept]:
        """Keep it running while the block lasts; it need not serve yet when the block begins."""
        kept = cls(command, log, environ, way)
        keeping = asyncio.create_task(kept._keep())
        try:
            yield kept
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    async def kill(self) -> None:
        """End it as kill -9 does, and return when it has been started again."""
        starts = self.starts
        async with asyncio.timeout(PATIENCE):
            while self._child is None or self._child.ended:
                await asyncio.sleep(GLANCE_SECONDS)
            await self._child.kill()
            while self.starts == starts:
                await asyncio.sleep(GLANCE_SECONDS)

    def send(self, signum: int) -> bool:
        """Send it a signal, unless it has ended and isn't started again yet; return whether it was sent."""
        if self._child is None or self._child.ended:
            return False
        with suppress(ProcessLookupError):
            os.kill(self._child.pid, signum)
            return True
        return False

    async def _keep(self) -> None:
        while True:
            async with self.way(self.command, self.log, self.log.parent, self.environ) as child:
                self._child = child
                self.starts += 1
                while not child.ended:
                    await asyncio.sleep(GLANCE_SECONDS)
            await asyncio.sleep(BACKOFF_SECONDS)

"""Worker processes: `python worker.py`, each with an environment of its own, ready before it is handed out.

Not kept here: a worker's work (worker.py) and its settings (mooring/settings.py).
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from mooring.devstack.ports import HOST, free_port
from mooring.devstack.process import Child, StackError, running
from mooring.process.worker_files import worker_script

READY_SECONDS: Final = 60.0
ASK_SECONDS: Final = 5.0
BARE: Final = {"MOORING_NODE_CHECK": "off", "MOORING_ADOPT": "false"}
"""Where a stack's Kubernetes has no nodes, any node id will do, and nobody makes VolumeAttachments there.

A setting of the same name goes before it.
"""
NO_CONFIGURATION: Final = {"TEMPORAL_CONFIG_FILE": "/dev/null"}
"""Keeps a profile of the Temporal CLI, with its TLS and API key, from a server that has neither."""


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A running worker; `url` serves its health and metrics."""

    url: str
    child: Child

    @classmethod
    @asynccontextmanager
    async def start(cls, environ: Mapping[str, str], log: Path, port: int = 0) -> AsyncIterator["WorkerProcess"]:
        """Run a worker while the block lasts; `environ` is all of its environment but its address (port 0: a free one).

        Raises:
            StackError: it isn't ready within `READY_SECONDS`.

        """
        address = f"{HOST}:{port or free_port()}"
        script, settings = worker_script(), {**BARE, **_from_here(environ), "MOORING_HTTP_ADDRESS": address}
        async with running([sys.executable, script], log, script.parent, settings) as child:
            worker = cls(f"http://{address}", child)
            await worker._ready()
            yield worker

    @property
    def readyz(self) -> str:
        """The URL that answers 200 while the worker serves."""
        return f"{self.url}/readyz"

    async def _ready(self) -> None:
        answer = "nothing yet"
        timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
        try:
            async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession(timeout=timeout) as session:
                while answer != "ready":
                    if self.child.ended:
                        raise StackError("The worker ended before it was ready.", self.child.last_words())
                    await asyncio.sleep(0.05)
                    answer = await _ask(session, self.readyz) or answer
        except TimeoutError:
            message = f"The worker isn't ready after {READY_SECONDS:g} s; it says: {answer}"
            raise StackError(message, self.child.last_words()) from None


def _from_here(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process in another folder, whose Python is to find the modules of this one."""
    path = environ.get("PYTHONPATH")
    return {**environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, path.split(os.pathsep)))} if path else {**environ}


def without_settings(environ: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    """Return the environment without the variables that point a worker at another server, or that have these prefixes."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("TEMPORAL_", *prefixes))}
    return kept | NO_CONFIGURATION


async def _ask(session: aiohttp.ClientSession, url: str) -> str:
    try:
        async with session.get(url) as answer:
            return await answer.text()
    except (aiohttp.ClientError, TimeoutError):
        return ""

"""A process that has loaded the campaign's worker, and forks it for each start: a campaign starts workers all the time.

Contract: a worker is to its keeper what a process of its own is (`Child`), by its pid, its log and its end. All else it does itself
from its first line on; only the loading, which takes seconds of a busy machine, is done once. None outlives the nursery.

`python -m tests.campaign.nursery SOCKET` serves one start a connection: it takes a `Start`, and answers the pid. The worker keeps
the connection, so that it closes when the worker ends, however it does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socketserver
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from mooring.devstack.process import END_SECONDS, Child, running
from tests.campaign import worker

WORKER: Final = (sys.executable, "-m", "tests.campaign.worker")
"""The command that a nursery carries out; any other is started as ever."""
READY_SECONDS: Final = 120.0
GLANCE_SECONDS: Final = 0.05


class Start(msgspec.Struct, frozen=True):
    """What a worker is started with."""

    log: str
    folder: str
    environ: dict[str, str]


@dataclass(frozen=True, slots=True)
class Nursery:
    """A running nursery."""

    socket: Path

    @classmethod
    @asynccontextmanager
    async def start(cls, folder: Path, environ: Mapping[str, str]) -> AsyncIterator[Nursery]:
        """Run one while the block lasts."""
        socket = folder / "nursery.sock"
        command = (sys.executable, "-m", "tests.campaign.nursery", str(socket))
        async with running(command, folder / "nursery.log", folder, environ):
            async with asyncio.timeout(READY_SECONDS):
                while not socket.exists():
                    await asyncio.sleep(GLANCE_SECONDS)
            yield cls(socket)

    @asynccontextmanager
    async def running(
        self, command: Sequence[str], log: Path, cwd: Path, environ: Mapping[str, str] | None = None
    ) -> AsyncIterator[Child]:
        """Run a command as `running` does."""
        if tuple(command) != WORKER:
            async with running(command, log, cwd, environ) as child:
                yield child
            return
        life, asked = await asyncio.open_unix_connection(self.socket)
        try:
            asked.write(msgspec.json.encode(Start(str(log), str(cwd), dict(environ or os.environ))) + b"\n")
            child = Child(int(await life.readline()), log, life)
            try:
                yield child
            finally:
                await _end(child)
        finally:
            asked.close()


async def _end(child: Child) -> None:
    for signum, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, END_SECONDS)):
        if child.ended:
            return
        with suppress(ProcessLookupError):
            os.kill(child.pid, signum)
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), seconds)


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 32

    def end(self) -> None:
        """Kill all workers that there still are."""
        for pid in self.active_children or ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class _Worker(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Become a worker; never return."""
        start = msgspec.json.decode(self.rfile.readline(), type=Start)
        self.server.socket.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        output = os.open(start.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(start.folder)
        os.environ.clear()
        os.environ.update(start.environ)
        self.wfile.write(b"%d\n" % os.getpid())
        worker.main()


def main() -> None:
    """Serve until told to end."""

    def end(*_: object) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    draft = f"{sys.argv[1]}.draft"
    with _Server(draft, _Worker) as server:
        Path(draft).rename(sys.argv[1])
        try:
            server.serve_forever(GLANCE_SECONDS)
        finally:
            server.end()


if __name__ == "__main__":
    main()

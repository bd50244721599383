"""A proxy of bytes before one server, which cuts, delays and swallows them on command.

Invariant: what was held back when a fault ends goes nowhere: its connections are cut, as a peer's are that gave up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from mooring.devstack.ports import HOST

CHUNK: Final = 65536


class Way(StrEnum):
    """What becomes of bytes and connections."""

    OPEN = "open"
    CUT = "cut"
    """Connections end at once, new ones too."""
    HOLE = "hole"
    """Nothing arrives on either side, and nobody is told."""
    DEAF = "deaf"
    """Requests arrive, and answers don't."""
    SLOW = "slow"
    """Everything is late by the delay."""


@dataclass(slots=True)
class TcpProxy:
    """A running proxy on `port` before the server on `upstream`."""

    upstream: int
    port: int = 0
    delay: float = 0.3
    way: Way = Way.OPEN
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def start(cls, upstream: int) -> AsyncIterator[TcpProxy]:
        """Serve while the block lasts."""
        proxy = cls(upstream)
        server = await asyncio.start_server(proxy._serve, HOST, 0, limit=CHUNK)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            proxy.turn(Way.CUT)
            server.close()
            if proxy._serving:
                await asyncio.wait(proxy._serving)

    @property
    def connections(self) -> int:
        """The number of connections that callers have."""
        return len(self._serving)

    def turn(self, way: Way) -> None:
        """Have all connections go this way from now on."""
        held = self.way in (Way.HOLE, Way.DEAF)
        self.way = way
        if held or way is Way.CUT:
            for writer in self._writers:
                writer.transport.abort()
        self._changed.set()
        self._changed = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self._serving.add(_this_task())
        try:
            with suppress(OSError):
                await self._passes(answers=False)
                if not writer.is_closing():
                    await self._connect(reader, writer)
        finally:
            self._writers.discard(writer)
            self._serving.discard(_this_task())
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(HOST, self.upstream, limit=CHUNK)
        self._writers.add(to_server)
        ways = (
            asyncio.create_task(self._pump(reader, to_server, answers=False)),
            asyncio.create_task(self._pump(from_server, writer, answers=True)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._writers.discard(to_server)
            to_server.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._passes(answers=answers)
                if writer.is_closing():
                    return
                writer.write(data)
                await writer.drain()

    async def _passes(self, *, answers: bool) -> None:
        """Return when bytes may pass.

        Raises:
            ConnectionAbortedError: they don't any more.

        """
        while self.way is Way.HOLE or (self.way is Way.DEAF and answers):
            await self._changed.wait()
        if self.way is Way.CUT:
            raise ConnectionAbortedError
        if self.way is Way.SLOW:
            await asyncio.sleep(self.delay)


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None
    return task

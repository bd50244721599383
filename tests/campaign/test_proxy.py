"""The proxy of bytes: what it lets pass, and what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from mooring.devstack.ports import HOST
from tests.campaign.proxy import TcpProxy, Way

BOUND = 30


class Server:
    """A server that answers each line with itself, and remembers it."""

    def __init__(self) -> None:
        self.heard = asyncio.Queue[bytes]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        with suppress(OSError):
            while line := await reader.readline():
                self.heard.put_nowait(line)
                writer.write(line)
        writer.close()


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Server, TcpProxy]]:
    """Run a server and a proxy before it."""
    server = Server()
    listening = await asyncio.start_server(server.serve, HOST, 0)
    async with TcpProxy.start(listening.sockets[0].getsockname()[1]) as proxy:
        yield server, proxy
    listening.close()


@asynccontextmanager
async def asked(proxy: TcpProxy) -> AsyncIterator[asyncio.StreamReader]:
    """Send a line over a connection of its own, and yield where the answer comes."""
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    writer.write(b"hello\n")
    try:
        yield reader
    finally:
        writer.transport.abort()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Return the answer, or b"" if the connection ends."""
    async with asyncio.timeout(BOUND):
        with suppress(ConnectionError):
            return await reader.readline()
        return b""


@pytest.mark.parametrize("way", [Way.OPEN, Way.SLOW])
async def test_what_passes_is_answered(way: Way) -> None:
    async with proxied() as (_, proxy):
        proxy.turn(way)
        async with asked(proxy) as reader:
            assert await answer(reader) == b"hello\n"


async def test_a_cut_ends_connections_and_lets_none_begin() -> None:
    async with proxied() as (server, proxy), asked(proxy) as reader:
        await answer(reader)
        proxy.turn(Way.CUT)
        assert await answer(reader) == b""
        async with asked(proxy) as again:
            assert await answer(again) == b""
        assert server.heard.qsize() == 1


async def test_a_hole_swallows_what_is_sent_and_gives_it_to_nobody_later() -> None:
    async with proxied() as (server, proxy), asked(proxy) as before:
        await answer(before)
        proxy.turn(Way.HOLE)
        async with asked(proxy) as held:
            await until_held(proxy)
            proxy.turn(Way.OPEN)
            assert await answer(held) == b""
        assert server.heard.qsize() == 1


async def test_callers_of_a_server_that_is_not_heard_are_heard() -> None:
    async with proxied() as (server, proxy):
        proxy.turn(Way.DEAF)
        async with asked(proxy) as reader:
            async with asyncio.timeout(BOUND):
                assert await server.heard.get() == b"hello\n"
            proxy.turn(Way.OPEN)
            assert await answer(reader) == b""


async def until_held(proxy: TcpProxy) -> None:
    """Wait until the proxy has two connections."""
    async with asyncio.timeout(BOUND):
        while proxy.connections < 2:
            await asyncio.sleep(0.01)

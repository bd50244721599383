"""A proxy between Mooring and the API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mooring.kubernetes.connection import connect
from tests.kubernetes.credentials.scene import TIMEOUT, Scene, who

BASIC = "Basic dTpwYXNzdzByZA=="


class Proxy:
    """A proxy that tunnels, and remembers who asked for it."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(next((line.split(": ")[1] for line in head.splitlines() if line.startswith("Proxy-Auth")), ""))
        host, port = head.split()[1].split(":")
        there = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on the bytes of one side until there are no more."""
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A running proxy."""
    made = Proxy()
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


async def test_the_proxy_of_the_kubeconfig_is_used_for_loopback_too(scene: Scene, proxy: Proxy) -> None:
    kubeconfig = scene.kubeconfig({"token": "mine"}, {"proxy-url": f"http://u:passw0rd@{proxy.url}"})
    api = await connect(kubeconfig, {"HTTPS_PROXY": "http://127.0.0.1:1"}, TIMEOUT)
    assert await who(api) == {"Authorization": "Bearer mine"}
    assert proxy.asked == [BASIC]
    await api.close()

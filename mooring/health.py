"""The worker's HTTP endpoint: /livez, /readyz and /metrics.

Contract: /livez answers as long as the event loop turns, whatever Temporal and Kubernetes do, because a restart mends
neither. /readyz answers 200 once the index is rebuilt, the nodes are known and the server can be reached, else 503 and what is
missing, a line each. /metrics gives Mooring's own metrics and the Temporal SDK's in one page.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import aiohttp
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_SCRAPE_SECONDS = 5.0


class Health(Protocol):
    """Says what keeps a worker from being ready."""

    async def missing(self) -> list[str]:
        """What is missing, in words; empty when the worker is ready."""
        ...


class HealthServer:
    """Serves one worker's health and metrics; `sdk_metrics` is the URL of the Temporal SDK's own exporter."""

    def __init__(self, health: Health, registry: CollectorRegistry, sdk_metrics: str) -> None:
        self._health = health
        self._registry = registry
        self._sdk_metrics = sdk_metrics

    @asynccontextmanager
    async def listen(self, address: str) -> AsyncIterator[str]:
        """Listen on host:port while the block runs; yields the URL, with the port that was picked where it was 0."""
        host, _, port = address.rpartition(":")
        app = web.Application()
        app.add_routes([web.get("/livez", _livez), web.get("/readyz", self._readyz), web.get("/metrics", self._metrics)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, host or "127.0.0.1", int(port)).start()
            yield f"http://{host or '127.0.0.1'}:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _readyz(self, _: web.Request) -> web.Response:
        missing = await self._health.missing()
        return web.Response(status=503 if missing else 200, text="\n".join(missing) or "ready")

    async def _metrics(self, _: web.Request) -> web.Response:
        page = generate_latest(self._registry) + await self._sdk_page()
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _sdk_page(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=_SCRAPE_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._sdk_metrics) as answer:
                return await answer.read()
        except (TimeoutError, aiohttp.ClientError) as error:
            return f"# The Temporal SDK's metrics are missing: {type(error).__name__}.\n".encode()


async def _livez(_: web.Request) -> web.Response:
    return web.Response(text="alive")

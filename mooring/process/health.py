"""The worker's HTTP endpoint: /livez, /readyz and /metrics.

Contract: /livez answers as long as the event loop turns, whatever Temporal and Kubernetes do, because a restart mends
neither. /readyz answers 200 once the index is rebuilt, the nodes are known and the server can be reached, else 503 and the reasons,
a line each. /metrics gives Mooring's own metrics and the Temporal SDK's in one page; `mooring_ready` is /readyz as a metric.
"""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import aiohttp
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_SCRAPE_SECONDS = 5.0


class Health(Protocol):
    """The readiness of a worker."""

    async def missing(self) -> list[str]:
        """Return what is missing, in words; empty when the worker is ready."""
        ...


class Starting:
    """The health of a process that has no worker to ask yet; `awaited` names the thing it waits for, `why` is "" if unknown."""

    def __init__(self, awaited: str) -> None:
        self.awaited = awaited
        self.why = ""
        self.worker: Health | None = None

    async def missing(self) -> list[str]:
        """See `Health`."""
        if self.worker is None:
            return [f"{self.awaited} has not been reached yet" + (f": {self.why}" if self.why else "; see the log.")]
        return await self.worker.missing()

    def report(self, why: str) -> None:
        """Note the reason why the awaited thing is missing."""
        self.why = why


class AddressUnavailable(Exception):
    """An address that the process can't listen on: another process does, or it is none of this machine's."""

    def __init__(self, address: str, error: OSError) -> None:
        why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else error.strerror
        super().__init__(
            f"MOORING_HTTP_ADDRESS is {address}, which can't be listened on: {why}. Set another address, or port 0 for a free one."
        )


class HealthServer:
    """The server of one process's health and metrics.

    `role`: "worker", or "endpoint" if it serves CSI without a worker of its own. `sdk_metrics`: the URL of the Temporal SDK's
    own exporter.
    """

    def __init__(self, health: Health, registry: CollectorRegistry, sdk_metrics: str, role: str) -> None:
        self._health = health
        self._registry = registry
        self._sdk_metrics = sdk_metrics
        ready = Gauge("mooring_ready", "1 if the worker, or the endpoint, serves, else 0.", ["role"], registry=registry)
        self._ready = ready.labels(role)

    @asynccontextmanager
    async def listen(self, address: str) -> AsyncIterator[str]:
        """Listen on host:port while the block runs, and yield the URL, with the port that was picked if it was 0."""
        host, _, port = address.rpartition(":")
        app = web.Application()
        app.add_routes([web.get("/livez", _livez), web.get("/readyz", self._readyz), web.get("/metrics", self._metrics)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host or "127.0.0.1", int(port)).start()
            except OSError as error:
                raise AddressUnavailable(address, error) from None
            yield f"http://{host or '127.0.0.1'}:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _readyz(self, _: web.Request) -> web.Response:
        missing = await self._health.missing()
        return web.Response(status=503 if missing else 200, text="\n".join(missing) or "ready")

    async def _metrics(self, _: web.Request) -> web.Response:
        self._ready.set(not await self._health.missing())
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


def free_address() -> str:
    """Return a host:port on loopback that is free now, for an exporter that can't report the port it picks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"

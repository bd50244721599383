"""An API server that answers every request with the caller's identity, as far as it can determine it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.kubernetes.credentials.authority import Authority, Certificate

IDENTITY = ("Authorization", "Impersonate-User", "Impersonate-Uid", "Impersonate-Group", "Impersonate-Extra-Reason")


@dataclass(slots=True)
class Api:
    """An API server's address, and the requests that it got."""

    url: str = ""
    refused: set[str] = field(default_factory=set)
    """The values of Authorization that are answered with 401."""
    targets: list[str] = field(default_factory=list)
    """The request targets, as they follow the method in each request line."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer with the caller's identity."""
        self.targets.append(request.raw_path)
        if request.headers.get("Authorization", "") in self.refused:
            status = {"kind": "Status", "apiVersion": "v1", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}
            return web.json_response(status, status=401)
        if request.path == "/stream":
            return await self._stream(request)
        return web.json_response(identity(request))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not (request.transport is None or request.transport.is_closing()):
            await response.write(b"line\n")
            await asyncio.sleep(0.05)
        return response


def identity(request: web.Request) -> dict[str, str]:
    """Return the caller's identity as the request shows it; a client certificate's name under `certificate`."""
    headers = {name: ",".join(request.headers.getall(name)) for name in IDENTITY if name in request.headers}
    presented = request.get_extra_info("peercert")
    return {**headers, **({"certificate": common_name(presented)} if presented else {})}


def common_name(certificate: dict[str, Any]) -> str:
    """Return the name in a certificate's subject."""
    found: str = next(value for part in certificate["subject"] for key, value in part if key == "commonName")
    return found


@asynccontextmanager
async def serving(served: Certificate | None = None, clients: Authority | None = None) -> AsyncIterator[Api]:
    """Serve on loopback, with TLS where there is a certificate; clients may present one of the authority's."""
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context(served, clients) if served else None).start()
        api.url = f"{'https' if served else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        yield api
    finally:
        await runner.cleanup()


def context(served: Certificate, clients: Authority | None) -> ssl.SSLContext:
    """Return the TLS side of a server."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(served.certificate, served.key)
    if clients:
        made.load_verify_locations(clients.certificate)
        made.verify_mode = ssl.CERT_OPTIONAL
    return made

"""A reverse proxy that is as bad with secrets as a server can be: while asked to, it answers with the credentials it was sent.

It serves by TLS, since no credentials are sent over plain http.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp import web

from mooring.devstack.ports import HOST
from mooring.devstack.proxy import FaultProxy

PASSED: Final = ("Content-Type", "Accept")


@dataclass(slots=True)
class LeakyProxy:
    """A proxy that answers the methods in `leaks` with this status and a text that has the Authorization header in it."""

    upstream: FaultProxy
    session: aiohttp.ClientSession
    leaks: dict[str, int] = field(default_factory=dict)
    url: str = ""
    leaked: int = 0

    @classmethod
    @asynccontextmanager
    async def start(cls, upstream: FaultProxy, tls: ssl.SSLContext) -> AsyncIterator[LeakyProxy]:
        """Serve in front of a proxy while the block lasts."""
        async with aiohttp.ClientSession() as session:
            echo = cls(upstream, session)
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", echo._handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, HOST, 0, ssl_context=tls).start()
            echo.url = f"https://{HOST}:{runner.addresses[0][1]}"
            try:
                yield echo
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        status = self.leaks.get("WATCH" if "watch" in request.query else request.method)
        if status is None:
            return await self._forward(request)
        self.leaked += 1
        told = f"{request.method} refused, you sent Authorization: {request.headers['Authorization']}"
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": told, "reason": told, "code": status}
        return web.json_response(body, status=status, reason=told)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in PASSED if name in request.headers}
        where = self.upstream.url + request.raw_path
        async with self.session.request(request.method, where, headers=headers, data=await request.read()) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

"""The part of a kubelet that an API server without nodes lacks, the logs and ports of Pods, in front of a real way to the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from mooring.devstack.ports import HOST
from mooring.devstack.proxy import FaultProxy


@dataclass(slots=True)
class Kubelet:
    """A proxy that answers requests for a Pod's log or port with `answers`, by the end of their path; all else is forwarded."""

    upstream: FaultProxy
    session: aiohttp.ClientSession
    answers: dict[str, str] = field(default_factory=dict)
    url: str = ""

    @classmethod
    @asynccontextmanager
    async def start(cls, upstream: FaultProxy) -> AsyncIterator[Kubelet]:
        """Serve while the block lasts."""
        async with aiohttp.ClientSession() as session:
            kubelet = cls(upstream, session)
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", kubelet._handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, HOST, 0).start()
            kubelet.url = f"http://{HOST}:{runner.addresses[0][1]}"
            try:
                yield kubelet
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        for end, text in self.answers.items():
            if request.path.endswith(end):
                return web.Response(text=text)
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json"), "Accept": "application/json"}
        where = self.upstream.url + request.raw_path
        async with self.session.request(request.method, where, headers=headers, data=await request.read()) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

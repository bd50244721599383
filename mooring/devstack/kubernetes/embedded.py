"""A small Kubernetes API over HTTP, in memory, for development and tests; `/version` and the log say so.

It serves on loopback, to anyone: no TLS. What it serves, and what it refuses, is service.py's.
"""

import logging
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.kubernetes.reads import Watch
from mooring.devstack.kubernetes.rules import Births
from mooring.devstack.kubernetes.service import ServedAnswer, ServedRequest, Service
from mooring.devstack.kubernetes.store import Object
from mooring.process.clock import utc_now

HOST: Final = "127.0.0.1"
HISTORY: Final = 10_000
MAX_BODY: Final = 3 * 1024 * 1024

logger = logging.getLogger(__name__)


class EmbeddedKubernetes:
    """A running embedded API, at `url`."""

    def __init__(self, history: int) -> None:
        # NB: a server started anew must not give out revisions that its predecessor's clients still hold: they get 410 instead.
        self._service = Service(Births(lambda: str(uuid.uuid4()), utc_now), int(time.time()), history)
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def start(cls, port: int = 0, history: int = HISTORY) -> AsyncIterator["EmbeddedKubernetes"]:
        """Serve on loopback while the block lasts; port 0 takes a free one, a watch can go back `history` changes."""
        kube = cls(history)
        runner = web.AppRunner(kube.application(), access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
            kube.url = f"http://{HOST}:{runner.addresses[0][1]}"
            logger.warning("embedded Kubernetes API for development on %s: in memory, open to every local user", kube.url)
            yield kube
        finally:
            await runner.cleanup()

    def kubeconfig(self) -> dict[str, Any]:
        """Return a kubeconfig for this server."""
        return ApiServer(self.url).kubeconfig()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write the kubeconfig and return its path."""
        return ApiServer(self.url).write_kubeconfig(path)

    def seed(self, objects: Iterable[Object]) -> None:
        """Create objects, each with `apiVersion` and `kind`, without HTTP; raise `ApiRefusal` if the API would refuse one."""
        self._service.seed(objects)

    def compact(self) -> None:
        """Forget history: watches from an older resourceVersion and pages of older lists get 410."""
        self._service.compact()

    def application(self) -> web.Application:
        """Build its HTTP application."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._serve)
        app.on_shutdown.append(self._end_watches)
        return app

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = ServedRequest(request.method, request.rel_url.raw_path, request.query, request.content_type, await request.read())
        answer = self._service.handle(asked)
        if isinstance(answer, ServedAnswer):
            return web.Response(body=answer.body, status=answer.code, content_type=answer.media_type)
        return await _stream(request, answer)

    async def _end_watches(self, _: web.Application) -> None:
        self._service.end_watches()


async def _stream(request: web.Request, watch: Watch) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    with closing(watch):
        await response.prepare(request)
        async for line in watch:
            await response.write(line)
    return response

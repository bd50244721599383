"""An HTTP proxy that misbehaves on command, in front of an API server, embedded or real, in tests and the demo.

Invariants: a request is forwarded whole and unchanged, in a task of its own, so that neither the client's timeout nor its death
decides whether a write is applied; at most the first matching rule acts on a request; every request is counted
when it arrives, regardless of its outcome. It listens without TLS on loopback and adds the upstream's token itself.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from aiohttp import web

from mooring.devstack.faults import Delay, Drop, FailedAnswer, Faults, Followed, Hold, LoseAnswer, Loss, ProxiedRequest, Rule
from mooring.devstack.kubernetes.kubeconfig import ApiServer

HOST: Final = "127.0.0.1"
NOT_FORWARDED: Final = ("Host", "Authorization", "Connection", "Content-Length", "Transfer-Encoding")
MAX_BODY: Final = 16 * 1024 * 1024

A = TypeVar("A")


class FaultProxy(Faults):
    """A running proxy, at `url`. Without rules, which `Faults` makes, it is transparent."""

    def __init__(self, upstream: ApiServer, session: aiohttp.ClientSession) -> None:
        super().__init__()
        self.url = ""
        self.requests: Counter[tuple[str, str]] = Counter()
        """Number of requests for each (method, path); a watch's method is `WATCH`."""
        self._upstream = upstream
        self._session = session
        self._out = False
        self._watches: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    @classmethod
    @asynccontextmanager
    async def start(cls, upstream: dict[str, Any], port: int = 0) -> AsyncIterator["FaultProxy"]:
        """Run in front of the server of a kubeconfig while the block lasts; port 0 takes a free one."""
        server = ApiServer.of(upstream)
        connector = aiohttp.TCPConnector(ssl=server.ssl(), limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(server.url, connector=connector, timeout=timeout, auto_decompress=False) as session:
            proxy = cls(server, session)
            async with proxy._serve(port):
                yield proxy

    def kubeconfig(self) -> dict[str, Any]:
        """Return a kubeconfig for the proxy."""
        return ApiServer(self.url).kubeconfig()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write the kubeconfig and return its path."""
        return ApiServer(self.url).write_kubeconfig(path)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Cut every connection, open watches too, while the block lasts."""
        self._out = True
        self.cut_watches()
        try:
            yield
        finally:
            self._out = False

    def cut_watches(self) -> int:
        """Cut all open watches and return their number."""
        cut = list(self._watches)
        for transport in cut:
            transport.abort()
        return len(cut)

    def count(self, method: str = "*", path: str = "") -> int:
        """Count the requests that arrived with this method (`WATCH`, or `*` for any) and this in their path."""
        return sum(n for (verb, where), n in self.requests.items() if method in ("*", verb) and path in where)

    @asynccontextmanager
    async def _serve(self, port: int) -> AsyncIterator[None]:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
            self.url = f"http://{HOST}:{runner.addresses[0][1]}"
            yield
        finally:
            self.cut_watches()
            await runner.cleanup()
            await self._end_tasks()

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        watching = request.query.get("watch", "false") not in ("false", "0")
        method = "WATCH" if watching else request.method
        received = ProxiedRequest(method, request.path, request.query, body)
        self.requests[method, request.path] += 1
        if self._out:
            return _cut(request)
        return await self._act(self.rule_for(received), request, received)

    async def _act(self, rule: Rule | None, request: web.Request, received: ProxiedRequest) -> web.StreamResponse:
        match rule:
            case FailedAnswer():
                return _refuse(rule)
            case Drop(loss=loss):
                return await _lose(request, loss)
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)
        if received.method == "WATCH":
            return await self._stream(request)
        answer = await self._outliving(self._forward(rule, request, received))
        if answer is None or self._out:
            return _cut(request)
        return await _lose(request, rule.loss) if isinstance(rule, LoseAnswer) else answer

    async def _outliving(self, work: Coroutine[Any, Any, A]) -> A:
        """Await work that goes on when the waiting handler is cancelled because its client has gone."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _forward(self, rule: Rule | None, request: web.Request, received: ProxiedRequest) -> web.Response | None:
        if isinstance(rule, Hold):
            await rule.wait()
        try:
            async with self._ask(request, received.body) as answer:
                response = web.Response(body=await answer.read(), status=answer.status, headers=_passed(answer.headers))
        except aiohttp.ClientError:
            return None
        if isinstance(rule, Followed):
            rule.answered(response.status)
        return response

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if request.transport is None:
            return _cut(request)
        transport = request.transport
        self._watches.add(transport)
        try:
            async with self._ask(request, b"") as answer:
                response = web.StreamResponse(status=answer.status, headers=_passed(answer.headers))
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                return response
        except aiohttp.ClientError:
            return _cut(request)
        finally:
            self._watches.discard(transport)

    @asynccontextmanager
    async def _ask(self, request: web.Request, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = _passed(request.headers) | self._upstream.headers()
        async with self._session.request(request.method, request.rel_url, headers=headers, data=body or None) as answer:
            yield answer


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.title() not in NOT_FORWARDED}


def _refuse(rule: FailedAnswer) -> web.Response:
    headers = {} if rule.retry_after is None else {"Retry-After": str(rule.retry_after)}
    if rule.status == 429:  # NB: a real server's only refusal in plain text
        return web.Response(text="Too many requests, please try again later.\n", status=429, headers=headers)
    return web.json_response(rule.body(), status=rule.status, headers=headers)


async def _lose(request: web.Request, loss: Loss) -> web.Response:
    if loss is Loss.HANG:
        await asyncio.Event().wait()  # NB: ends when the client hangs up or the proxy stops, which cancels the handler
    return _cut(request)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)

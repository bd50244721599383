"""The connections over which the deployed client reaches the simulated server, without a network.

Contract: a write that was sent arrives, whether its caller still waits or not. A request is carried out at one moment, in one step.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import aiohttp
import msgspec

from mooring.devstack.kubernetes import wire
from mooring.devstack.kubernetes.reads import Watch, is_true
from mooring.devstack.kubernetes.resources import RESOURCES
from mooring.devstack.kubernetes.service import ServedAnswer, ServedRequest
from mooring.devstack.kubernetes.status import watch_expired
from mooring.kubernetes.credentials.login import Endpoint, Login
from mooring.kubernetes.credentials.logins import Prepared
from mooring.kubernetes.credentials.renewal import Clock, Renewal
from tests.simulation.api_server.faults import NEVER, End, Loss, WatchFate
from tests.simulation.clock import call_later

if TYPE_CHECKING:
    from tests.simulation.api_server.server import SimulatedKubernetes

PLURALS: Final = frozenset(resource.plural for resource in RESOURCES)


@dataclass(frozen=True, slots=True)
class OneLogin:
    """The login of every client: a token, which must be seen nowhere."""

    token: str

    def prepare(self) -> Prepared:
        """Return it."""
        headers = [("Authorization", f"Bearer {self.token}")]
        return Prepared(Login(Endpoint("https://simulated"), headers, [self.token]))


class SimulatedConnections:
    """A client's way to the server. `now` is UTC."""

    def __init__(self, server: SimulatedKubernetes, token: str, now: Callable[[], datetime]) -> None:
        self._server = server
        self._renewal = Renewal(OneLogin(token), {}, Clock(now, asyncio.get_running_loop().time))

    @property
    def renewal(self) -> Renewal:
        """The source of the login."""
        return self._renewal

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Line]:
        """Lend a connection while the block runs."""
        yield Line(self._server, await self._renewal.login())

    async def close(self) -> None:
        """End a renewal under way."""
        await self._renewal.close()


@dataclass(frozen=True, slots=True)
class Line:
    """The connection of one request."""

    server: SimulatedKubernetes
    login: Login

    async def send(
        self, method: str, target: str, headers: dict[str, str], body: Any, bounds: aiohttp.ClientTimeout
    ) -> SimulatedResponse:
        """Send a request, and wait for the beginning of its answer."""
        path, _, query = target.partition("?")
        media_type = headers.get("Content-Type", "application/json")
        sent = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        request = ServedRequest(method, path, dict(parse_qsl(query, keep_blank_values=True)), media_type, sent)
        passage, patience = Passage(self.server, request, bounds), min(bounds.total or NEVER, bounds.sock_read or NEVER)
        try:
            async with asyncio.timeout(None if patience == NEVER else patience):
                return await passage.answer
        except TimeoutError:
            raise _silent() from None


class Passage:
    """The way of one request to the server and back; `answer` may be given up, which holds up no write."""

    def __init__(self, server: SimulatedKubernetes, request: ServedRequest, bounds: aiohttp.ClientTimeout) -> None:
        self._server = server
        self._request = request
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._fate = server.faults.fate(request.method, request.path, is_list=_is_list(request))
        self.answer: asyncio.Future[SimulatedResponse] = self._loop.create_future()
        self._sent = f"{request.method} {request.path}"
        server.travelling[self._sent] += 1
        call_later(self._fate.travels, self._arrive)

    def _arrive(self) -> None:
        self._server.travelling[self._sent] -= 1
        if self._request.method == "GET" and self.answer.done():
            return
        if self._fate.is_lost or self._server.is_down:
            self._cut()
            return
        answer = self._server.carry_out(self._request, self._fate.refused)
        match self._fate.loses_answer:
            case Loss.CUT:
                self._later(self._cut)
            case Loss.FAILURE:
                self._later(lambda: self._return(refusal(500)))
            case None:
                self._later(lambda: self._return(answer))

    def _later(self, act: Callable[[], None]) -> None:
        call_later(self._fate.returns, act)

    def _cut(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(aiohttp.ServerDisconnectedError())

    def _return(self, answer: ServedAnswer | Watch) -> None:
        if self.answer.done():
            if isinstance(answer, Watch):
                answer.close()
            return
        self.answer.set_result(self._response(answer))

    def _response(self, answer: ServedAnswer | Watch) -> SimulatedResponse:
        if isinstance(answer, ServedAnswer):
            again = {"Retry-After": "1"} if answer.code == 429 else {}
            return SimulatedResponse(answer.code, {"Content-Type": answer.media_type, **again}, answer.body)
        return SimulatedResponse(200, {}, content=self._server.stream(answer, self._bounds))


@dataclass(slots=True)
class SimulatedResponse:
    """An answer, as the client reads it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content: Stream | Body = field(default_factory=lambda: Body())

    @property
    def ok(self) -> bool:
        """True if the status is that of a success."""
        return self.status < 400

    async def read(self) -> bytes:
        """Return the body; of a watch all lines until it ends."""
        return self.body + b"".join([line async for line in self.content])

    def close(self) -> None:
        """End a watch."""
        self.content.close()


class Body(AsyncIterator[bytes]):
    """The lines of a body that is no watch: none."""

    def close(self) -> None:
        """Do nothing."""

    async def __anext__(self) -> bytes:
        """Raise StopAsyncIteration."""
        raise StopAsyncIteration


class Stream(AsyncIterator[bytes]):
    """The lines of a watch as they arrive, within the client's bounds: its `sock_read` between two of them, its `total` in all."""

    def __init__(
        self, watch: Watch, fate: WatchFate, bounds: aiohttp.ClientTimeout, closed: Callable[[Stream], None] = lambda _: None
    ) -> None:
        self._watch = watch
        self._tell = closed
        self._fate = fate
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + fate.after
        self._until = self._loop.time() + (bounds.total or NEVER)
        self._silence = bounds.sock_read or NEVER
        self._closed = False

    def close(self) -> None:
        """End the watch."""
        self._closed = True
        self._watch.close()
        self._tell(self)

    def cut(self) -> None:
        """Have the end of the watch be that of the connection, as when a server dies."""
        self._fate, self._ends = WatchFate(End.CUT), self._loop.time()

    async def __anext__(self) -> bytes:
        """Wait for the next line."""
        if self._closed:
            raise StopAsyncIteration
        until = min(self._until, self._loop.time() + self._silence)
        limit = min(until, self._ends)
        try:
            async with asyncio.timeout_at(None if limit == NEVER else limit):
                return await self._line()
        except (TimeoutError, StopAsyncIteration) as ending:
            if self._loop.time() >= self._ends:
                return await self._end(until)
            if isinstance(ending, StopAsyncIteration):
                raise
            raise _silent() from None

    async def _line(self) -> bytes:
        began = self._loop.time()
        line = await anext(self._watch)
        if self._loop.time() > began:  # what has waited for a line before it is late enough
            await asyncio.sleep(self._fate.late)
        return line

    async def _end(self, until: float) -> bytes:
        self.close()
        match self._fate.end:
            case End.GONE:
                return wire.error(watch_expired(0, 1))
            case End.SILENCE:
                await (asyncio.Event().wait() if until == NEVER else asyncio.sleep(until - self._loop.time()))
                raise _silent()
        raise aiohttp.ClientPayloadError("Response payload is not completed")


def _silent() -> aiohttp.SocketTimeoutError:
    return aiohttp.SocketTimeoutError("Timeout on reading data from socket")


def refusal(code: int) -> ServedAnswer:
    """Return the answer with which a server, or what is before it, refuses."""
    if code == 429:
        return ServedAnswer(429, b"Too many requests, please try again later.\n", "text/plain")
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "refused by the dice", "reason": "", "code": code}
    return ServedAnswer(code, msgspec.json.encode(body))


def _is_list(request: ServedRequest) -> bool:
    return request.method == "GET" and not is_true(request.query, "watch") and request.path.rsplit("/", 1)[-1] in PLURALS

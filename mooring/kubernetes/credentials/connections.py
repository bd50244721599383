"""Connections to the API server, made with the login that is good now.

Contract: when the way there, the CA or the client certificate has changed, requests go over new connections. The old ones
are closed with the last request on them, for example a watch.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from multidict import CIMultiDict

from mooring.kubernetes.credentials.login import Endpoint, Login
from mooring.kubernetes.credentials.renewal import Renewal

LIMIT: Final = 100


class Response(Protocol):
    """The part of an answer that is used; aiohttp's answers have it."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def ok(self) -> bool:
        """True if the status is that of a success."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, whatever the case of their names."""

    @property
    def content(self) -> AsyncIterable[bytes]:
        """The lines of the body, as they arrive."""

    async def read(self) -> bytes:
        """Read the whole body."""

    def close(self) -> None:
        """End the connection."""


class Sender(Protocol):
    """The connection of one request."""

    @property
    def login(self) -> Login:
        """The login that it is made with."""

    async def send(self, method: str, target: str, headers: dict[str, str], body: Any, bounds: aiohttp.ClientTimeout) -> Response:
        """Send a request to a path and query; the body of the answer is not read."""


class Senders(Protocol):
    """The source of each request's connection."""

    @property
    def renewal(self) -> Renewal:
        """The source of the login."""

    def use(self) -> AbstractAsyncContextManager[Sender]:
        """Lend a connection while the block runs; raise NoCredentials if there are no valid ones."""

    async def close(self) -> None:
        """Close every connection, whatever is on it."""


class Pool:
    """The connections to one endpoint, and how many requests are on them."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.requests = 0
        self._connector = aiohttp.TCPConnector(ssl=endpoint.tls.context(), limit=LIMIT)
        # NB: aiohttp would read proxies and ~/.netrc by itself, the latter for the API server's host too, at every request.
        session: dict[str, Any] = {"trust_env": False, "auto_decompress": False, "connector": self._connector}
        configuration = Configuration(host=endpoint.url, proxy=endpoint.proxy, client_session_kwargs=session)
        configuration.tls_server_name = endpoint.tls.server_name or None
        self.rest = RESTClientObject(configuration)

    async def close(self) -> None:
        """Close every connection."""
        await self.rest.close()
        await self._connector.close()


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection of one request, with its headers."""

    login: Login
    pool: Pool

    async def send(
        self, method: str, target: str, headers: dict[str, str], body: Any, bounds: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """Send a request to a path and query; the body of the answer is not read."""
        url = f"{self.login.endpoint.url}{target}"
        answer = await self.pool.rest.request(method, url, CIMultiDict([*headers.items(), *self.login.headers]), body, None, bounds)
        response: aiohttp.ClientResponse = answer.response
        return response


class Connections:
    """The source of each request's connection."""

    def __init__(self, renewal: Renewal) -> None:
        self._renewal = renewal
        self._pool: Pool | None = None
        self._retired: set[Pool] = set()

    @property
    def renewal(self) -> Renewal:
        """The source of the login."""
        return self._renewal

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Connection]:
        """Lend a connection while the block runs.

        Raises:
            NoCredentials: there are no valid ones.

        """
        login = await self._renewal.login()
        pool = await self._current(login.endpoint)
        pool.requests += 1
        try:
            yield Connection(login, pool)
        finally:
            pool.requests -= 1
            await self._close_unused()

    async def close(self) -> None:
        """Close every connection, whatever is on it."""
        await self._renewal.close()
        for pool in [*self._retired, *([self._pool] if self._pool else [])]:
            await pool.close()
        self._pool = None
        self._retired.clear()

    async def _current(self, endpoint: Endpoint) -> Pool:
        if self._pool is None or self._pool.endpoint != endpoint:
            if self._pool is not None:
                self._retired.add(self._pool)
            self._pool = Pool(endpoint)
            await self._close_unused()
        return self._pool

    async def _close_unused(self) -> None:
        unused = {pool for pool in self._retired if not pool.requests}
        self._retired -= unused
        for pool in unused:
            await pool.close()

"""A way to the simulated server for tests that send plain requests, as an aiohttp session is one to the others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp

from mooring.kubernetes.credentials.login import Endpoint, Login
from tests.simulation.api_server.connections import Line, SimulatedResponse
from tests.simulation.api_server.server import SimulatedKubernetes


class SimulatedSession:
    """A client that shows no credentials."""

    def __init__(self, server: SimulatedKubernetes) -> None:
        self._line = Line(server, Login(Endpoint("https://simulated")))

    @asynccontextmanager
    async def request(
        self, method: str, url: str, /, *, data: str | None, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> AsyncIterator[SimulatedResponse]:
        """Send a request, and lend its answer while the block runs."""
        target = f"{url}?{urlencode(params)}" if params else url
        body = None if data is None else data.encode()
        response = await self._line.send(method, target, dict(headers), body, aiohttp.ClientTimeout())
        try:
            yield response
        finally:
            response.close()

"""A way to a Temporal server that refuses the calls it is asked to, and passes all others on as they are."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc import aio

from mooring.csi.passthrough import PassThrough
from mooring.devstack.ports import HOST
from mooring.process.lifetime import unless

POLLS = frozenset({"PollWorkflowTaskQueue", "PollActivityTaskQueue"})
_UNLIMITED = [("grpc.max_receive_message_length", -1)]


class RefusingTemporal(PassThrough):
    """The proxy. While it `refuses` polls, those that are open are refused, too; `refused` counts them by method.

    `asked` is every other call, by its method, with the request as it was sent.
    """

    def __init__(self, channel: aio.Channel) -> None:
        super().__init__(channel)
        self.address = ""
        self.refused: Counter[str] = Counter()
        self.asked: list[tuple[str, bytes]] = []
        self._status = grpc.StatusCode.NOT_FOUND
        self._refuses = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def start(cls, upstream: str) -> AsyncIterator[RefusingTemporal]:
        """Serve in front of the server at this address while the block lasts."""
        async with aio.insecure_channel(upstream, options=_UNLIMITED) as channel:
            proxy, server = cls(channel), aio.server(options=_UNLIMITED)
            server.add_generic_rpc_handlers((proxy,))
            proxy.address = f"{HOST}:{server.add_insecure_port(f'{HOST}:0')}"
            await server.start()
            try:
                yield proxy
            finally:
                await server.stop(0)

    def refuse_polls(self, status: grpc.StatusCode) -> None:
        """Refuse polls from now on."""
        self._status = status
        self._refuses.set()

    def take_polls(self) -> None:
        """Pass polls on again."""
        self._refuses.clear()

    async def forward(self, method: str, request: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
        """Forward the call, or refuse it."""
        name = method.rpartition("/")[2]
        if name not in POLLS:
            self.asked.append((name, request))
            return await super().forward(method, request, context)
        answer = await unless(self._refuses, super().forward(method, request, context))
        if answer is None:
            self.refused[name] += 1
            await context.abort(self._status, f"{name} is refused, as a test asks for")
        return answer

"""A service that isn't CSI's: every unary method of `mooring.test.Echo` answers its request's bytes, and `Stream` without end.

Its trailing metadata are those it was called with, and in `seconds-left` the time to the call's deadline, if there was one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import grpc
import grpc.aio

SERVICE: Final = "/mooring.test.Echo/"
RESERVED: Final = ("user-agent", "grpc-")


class Echo(grpc.GenericRpcHandler):
    """The handler of all calls to the service, and of no others."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Return the handler of a method."""
        method = handler_call_details.method
        if method == f"{SERVICE}Stream":
            return grpc.unary_stream_rpc_method_handler(_stream)
        return grpc.unary_unary_rpc_method_handler(_answer) if method.startswith(SERVICE) else None


async def _stream(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[bytes]:
    while not context.cancelled():
        yield request
        await asyncio.sleep(0.01)


async def _answer(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    left = context.time_remaining()
    timed: Sequence[tuple[str, str | bytes]] = [] if left is None else [("seconds-left", f"{left:.3f}")]
    brought = [(key, value) for key, value in context.invocation_metadata() or () if not key.startswith(RESERVED)]
    context.set_trailing_metadata((*brought, *timed))
    return request

"""The RPCs that Mooring doesn't own: every other one of every service is passed on, as bytes, to the driver and back.

Contract: the request, the answer, the deadline, the metadata both ways and the status with its details arrive as they were sent; no
message is decoded. Streams are not passed on but refused: CSI's controller side has none that a sidecar needs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DETAILS = "grpc-status-details-bin"
_OF_THE_HOP = ("user-agent", "te", "content-type")
"""Metadata that belongs to one connection, as all does that begins with `grpc-`; gRPC makes it anew for the next."""


class PassThrough(grpc.GenericRpcHandler):
    """The handler of every RPC that no handler before it serves."""

    def __init__(self, channel: aio.Channel) -> None:
        self._channel = channel

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of one RPC: none of the messages is deserialised."""
        return grpc.unary_unary_rpc_method_handler(partial(self.forward, handler_call_details.method))

    async def forward(self, method: str, request: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
        """Forward the call to the driver, and answer as it does."""
        rpc: aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(method)
        call = rpc(request, timeout=context.time_remaining(), metadata=_kept(context.invocation_metadata() or ()))
        try:
            answer = await call.read()
            if not isinstance(answer, bytes) or await call.read() is not aio.EOF:  # NB: taken for one message, it would never end
                call.cancel()
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"Mooring does not pass on streaming calls such as {method}.")
        except aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "", tuple(_kept(error.trailing_metadata() or ())))
        await context.send_initial_metadata(_kept(await call.initial_metadata()))
        context.set_trailing_metadata(_kept(await call.trailing_metadata()))
        return answer


def _kept(metadata: Iterable[tuple[str, str | bytes]]) -> Sequence[tuple[str, str | bytes]]:
    return tuple((key, value) for key, value in metadata if key == _DETAILS or not (key in _OF_THE_HOP or key.startswith("grpc-")))

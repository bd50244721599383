"""The answers to calls: an error by its gRPC code and its message, and in time.

Contract: a call waits until shortly before its deadline, since external-attacher backs off after every error alike; an operation
that still runs then goes on. The status has no details (CSI spec, "Error Scheme").
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc

from mooring.errors import MooringError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpc import aio

CALL_SECONDS: Final = 300.0
"""Seconds a call without a deadline waits."""
MARGIN: Final = 0.5
"""Seconds kept for the answer's way back, or a tenth of a shorter deadline."""
MESSAGE_BYTES: Final = 2600
"""gRPC puts the message into a header, each byte that isn't ASCII as three, and clients take 8 KiB of headers."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def abort_on_error(context: aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
    """Answer with the error that the block raises, and log it."""
    try:
        yield
    except MooringError as error:
        logger.info("A call is answered with %s: %s", error.grpc_code, error)
        await context.abort(grpc.StatusCode[error.grpc_code], _short(str(error)))


def time_left(context: aio.ServicerContext[Any, Any]) -> float:
    """Return the number of seconds that the answer may take."""
    left = context.time_remaining()
    return CALL_SECONDS if left is None else max(left - min(MARGIN, left / 10), 0.01)


def _short(message: str) -> str:
    return message.encode()[:MESSAGE_BYTES].decode(errors="ignore")

"""Cancellation of a workflow: when it is heeded, and when it has to wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import workflow

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def stop_if_cancelled() -> None:
    """Raise the cancellation that the last step may have kept.

    NB: a step that succeeds although it was cancelled returns as if it had not been.
    """
    if workflow.cancellation_reason() is not None:
        raise asyncio.CancelledError


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await the work to its end, despite any cancellation, which is raised then."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    result = await task
    if cancelled is not None:
        raise cancelled
    return result

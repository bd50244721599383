"""Asks the backend to attach and detach.

Contract: each call carries the fencing token it was decided at. `undo` is retried whatever the error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from temporalio import activity

from activities.running import running
from mooring.errors import BackendFailed
from mooring.models import BackendCall

if TYPE_CHECKING:
    from mooring.backend import Backend

CONTEXT_BYTES = 4096
"""The limit of a map's keys and values together (CSI spec, "Size Limits")."""

_CONTEXT = TypeAdapter(dict[str, str])


class BackendActivities:
    """The calls of one backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @activity.defn(name="backend_publish")
    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach; the publish context."""
        async with running():
            return _context(call, await self._backend.publish(call))

    @activity.defn(name="backend_unpublish")
    async def unpublish(self, call: BackendCall) -> None:
        """Detach."""
        async with running():
            await self._backend.unpublish(call)

    @activity.defn(name="backend_undo")
    async def undo(self, call: BackendCall) -> None:
        """Detach what a rolled-back publish may have attached."""
        async with running(patient=True):
            await self._backend.unpublish(call)


def _context(call: BackendCall, given: object) -> dict[str, str]:
    where = f"The backend attached volume {call.volume.volume_handle} to node {call.node_id}"
    try:
        context = _CONTEXT.validate_python(given, strict=True)
    except ValidationError:
        raise BackendFailed(f"{where} and gave a publish context that is no map of strings to strings.") from None
    size = sum(len(text.encode()) for pair in context.items() for text in pair)
    if size > CONTEXT_BYTES:
        raise BackendFailed(f"{where} and gave a publish context of {size} bytes; CSI allows {CONTEXT_BYTES}.")
    return context

"""Asks the backend to attach and detach.

Contract: each call carries the fencing token it was decided at. `undo` is retried whatever the error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from activities.running import running
from mooring.models import BackendCall

if TYPE_CHECKING:
    from mooring.backend import Backend


class BackendActivities:
    """The calls of one backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @activity.defn(name="backend_publish")
    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach; the publish context."""
        async with running():
            return await self._backend.publish(call)

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

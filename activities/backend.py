"""Asks the backend to attach and detach.

Contract: each call carries the fencing token it was decided at. `undo` is retried whatever the error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from temporalio import activity

from activities.running import running
from mooring.errors import BackendFailed, BackendNotFound
from mooring.models import MAP_BYTES, BackendCall, map_bytes

if TYPE_CHECKING:
    from mooring.backend import Backend
    from mooring.nodes import Nodes

_CONTEXT = TypeAdapter(dict[str, str])


class BackendActivities:
    """The calls of one backend."""

    def __init__(self, backend: Backend, nodes: Nodes) -> None:
        self._backend = backend
        self._nodes = nodes

    @activity.defn(name="backend_publish")
    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach; the publish context."""
        async with running():
            return _context(call, await self._backend.publish(call))

    @activity.defn(name="backend_unpublish")
    async def unpublish(self, call: BackendCall) -> None:
        """Detach."""
        async with running():
            await self._detach(call)

    @activity.defn(name="backend_undo")
    async def undo(self, call: BackendCall) -> None:
        """Detach what a rolled-back publish may have attached."""
        async with running(patient=True):
            await self._detach(call)

    async def _detach(self, call: BackendCall) -> None:
        """Detach. A backend that knows nothing of it is taken at its word if no record names the node, or the node is gone.

        NB: it isn't otherwise: NOT_FOUND says that the volume is not assumed to be detached (CSI spec, ControllerUnpublishVolume).
        """
        try:
            await self._backend.unpublish(call)
        except BackendNotFound:
            if call.recorded and await self._is_there(call.node_id):
                raise

    async def _is_there(self, node_id: str) -> bool:
        return self._nodes.find(node_id) is not None or await self._nodes.look(node_id) is not None


def _context(call: BackendCall, given: object) -> dict[str, str]:
    where = f"The backend attached volume {call.volume.volume_handle} to node {call.node_id}"
    try:
        context = _CONTEXT.validate_python(given, strict=True)
    except ValidationError:
        raise BackendFailed(f"{where} and gave a publish context that is no map of strings to strings.") from None
    size = map_bytes(context)
    if size > MAP_BYTES:
        raise BackendFailed(f"{where} and gave a publish context of {size} bytes; CSI allows {MAP_BYTES}.")
    return context

"""The activities that call the backend to attach and detach.

Contract: each call carries the fencing token of the epoch it was decided at, whichever worker decided it, and says whether the
volume's PV names a Secret. `undo` is retried whatever the error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from temporalio import activity

from activities.attempt import attempt
from mooring.errors import BackendFailed, BackendNotFound
from mooring.models import BackendCall, map_bytes
from mooring.records import fence
from mooring.records.annotations import ALL_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from mooring.backend import Backend
    from mooring.cluster.node_ids import Nodes

_CONTEXT = TypeAdapter(dict[str, str])


class BackendActivities:
    """The calls of one backend."""

    def __init__(self, backend: Backend, nodes: Nodes, needs_secrets: Callable[[str], bool]) -> None:
        self._backend = backend
        self._nodes = nodes
        self._needs_secrets = needs_secrets

    @activity.defn(name="backend_publish")
    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach, and return the publish context."""
        async with attempt():
            return _context(call, await self._backend.publish(self._whole(call, fence.attach_token(call.epoch))))

    @activity.defn(name="backend_unpublish")
    async def unpublish(self, call: BackendCall) -> None:
        """Detach."""
        async with attempt():
            await self._backend.unpublish(self._whole(call, fence.detach_token(call.epoch)))

    @activity.defn(name="backend_undo")
    async def undo(self, call: BackendCall) -> None:
        """Detach a volume that a rolled-back publish may have attached.

        A backend that knows nothing of it is asked again as long as the node exists.
        """
        async with attempt(patient=True):
            try:
                await self._backend.unpublish(self._whole(call, fence.detach_token(call.epoch)))
            except BackendNotFound:
                if await self._nodes.look(call.node_id) is not None:
                    raise

    def _whole(self, call: BackendCall, token: int | None) -> BackendCall:
        """Return the call with its token, and with this worker's knowledge of the volume."""
        needs = self._needs_secrets(call.volume.volume_handle)
        return call.model_copy(update={"token": token, "needs_secrets": needs or call.needs_secrets})


def _context(call: BackendCall, given: object) -> dict[str, str]:
    where = f"The backend attached volume {call.volume.volume_handle} to node {call.node_id}"
    try:
        context = _CONTEXT.validate_python(given, strict=True)
    except ValidationError:
        raise BackendFailed(f"{where} and gave a publish context that is no map of strings to strings.") from None
    size = map_bytes(context)
    if size > ALL_BYTES:
        raise BackendFailed(f"{where} and gave a publish context of {size} bytes; annotations have room for {ALL_BYTES}.")
    return context

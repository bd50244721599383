"""A storage array that treats each volume by the first word of its handle, so that every outcome of an operation can be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mooring.errors import BackendFailed, BackendUncertain

if TYPE_CHECKING:
    from mooring.models import BackendCall

NAME: Final = "docs.gallery.backend:Array"


class Array:
    """The array: `full-` and `half-...` can't be attached; of `slow-...` the attach, of `half-...` the detach has an unknown
    outcome; `busy-...` can't be detached.
    """

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach, unless the handle says otherwise."""
        volume, node = call.volume.volume_handle, call.node_id
        match volume.partition("-")[0]:
            case "full" | "half":
                raise BackendFailed(f"The array has no free port for volume {volume} on node {node}.")
            case "slow":
                raise BackendUncertain(f"The array did not say whether it has attached volume {volume} to node {node}.")
        return {"devicePath": f"/dev/disk/by-id/{volume}"}

    async def unpublish(self, call: BackendCall) -> None:
        """Detach, unless the handle says otherwise."""
        volume, node = call.volume.volume_handle, call.node_id
        match volume.partition("-")[0]:
            case "half":
                raise BackendUncertain(f"The array did not say whether it has detached volume {volume} from node {node}.")
            case "busy":
                raise BackendFailed(f"The array won't detach volume {volume}: node {node} has I/O under way.")

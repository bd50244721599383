"""The step that makes an attachment physical, behind an interface.

Contract: both calls may be repeated, and must then answer as the first time (CSI: ControllerPublishVolume and
ControllerUnpublishVolume are idempotent). `call.token` is the fencing token: of two calls for one volume the later bears the higher
one. A backend that keeps the highest of a volume may refuse a lower one, and an attach with an equal one unless it repeats the
attach that had it. It is None if the volume has no record with an epoch: such a call is not fenced.

Not kept here: the order of the calls, their retries and their compensation (workflows/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mooring.user_code import load

if TYPE_CHECKING:
    from mooring.models import BackendCall

__all__ = ["Backend", "NoBackend", "TakesSecrets", "load_backend"]


class Backend(Protocol):
    """The system that attaches volumes to nodes.

    Both calls raise `BackendFailed` for a final refusal, and `BackendUncertain` if the outcome is unknown.
    """

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach the volume and return the publish context that the node needs."""
        ...

    async def unpublish(self, call: BackendCall) -> None:
        """Detach the volume from the node (an empty node id: from every node)."""
        ...


@runtime_checkable
class TakesSecrets(Protocol):
    """A backend that gets the secrets of a volume from the CO's own calls."""

    def has_secrets(self, volume_handle: str) -> bool:
        """Return whether secrets of the volume are in this worker's memory."""


class NoBackend:
    """The backend `none`: the record is all there is."""

    async def publish(self, call: BackendCall) -> dict[str, str]:  # noqa: ARG002
        """Return an empty publish context: there is nothing to attach."""
        return {}

    async def unpublish(self, call: BackendCall) -> None:
        """Do nothing: there is nothing to detach."""


def load_backend(name: str) -> Backend:
    """Load the backend that MOORING_BACKEND names: `none`, or the one made by the factory at `package.module:factory`.

    Raises:
        ValueError: no such factory.

    """
    if name == "none":
        return NoBackend()
    made: Backend = load("MOORING_BACKEND", name, "backend")
    return made

"""The step that makes an attachment physical, behind an interface.

Contract: both calls may be repeated, and must then answer as the first time (CSI: ControllerPublishVolume and
ControllerUnpublishVolume are idempotent). `call.token` is the fencing token: of two calls for one volume the later bears the higher
one. A backend that keeps the highest of a volume may refuse a lower one, and an attach with an equal one unless it repeats the
attach that had it. It is None if the volume has no record with an epoch: such a call is not fenced.

Not kept here: the order of the calls, their retries and their compensation (workflows/).
"""

from __future__ import annotations

import importlib
import traceback
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from mooring.models import BackendCall

__all__ = ["Backend", "NoBackend", "TakesSecrets", "load_backend"]

_OURS: Final = ("worker", "workflows", "activities")
"""Modules that are Mooring's own in the process of a worker."""


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
    made: Backend = load_named("MOORING_BACKEND", name, "backend")
    return made


def load_named(variable: str, name: str, what: str) -> Any:
    """Return the product of the user's factory that the variable names as `package.module:factory`; `what` says what that is.

    Raises:
        ValueError: no such factory.

    """
    module, _, factory = name.partition(":")
    if module.partition(".")[0] in _OURS:
        raise ValueError(f"{variable}={name} names a module of Mooring's own; give yours another name than {', '.join(_OURS)}.")
    try:
        return getattr(importlib.import_module(module), factory)()
    except Exception as error:  # NB: the user's code raises what it likes
        why = f"{type(error).__name__}: {error}{_place(error)}"
        rule = "it must be `package.module:factory`, of a package on PYTHONPATH"
        raise ValueError(f"{variable}={name} names no {what} ({why}); {rule}.") from error


def _place(error: Exception) -> str:
    """Return the place in the user's code, or nothing if it was not reached. NB: some of Python's own frames are `<frozen ...>`."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    return "" if frames[-1].filename in (__file__, importlib.__file__) else f"; {frames[-1].filename}, line {frames[-1].lineno}"

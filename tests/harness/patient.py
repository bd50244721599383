"""A client, and a worker's settings, whose bounds a busy machine doesn't run into: for tests that mean no deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from mooring.client import MooringClient
from mooring.errors import OperationPending, TemporalUnavailable
from mooring.models import AccessMode, PublishResult, UnpublishResult
from mooring.settings import Settings
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick

DEADLINES: Final = (0.5, 3.0, 15.0)
BOUNDS: Final = {
    "attempt_timeout": 10,
    "request_timeout": 5,
    "heartbeat_timeout": 5,
    "publish_budget": PATIENCE,
    "clear_budget": PATIENCE,
    "backend_timeout": 30,
    "backend_budget": PATIENCE,
}


def patient(driver: str, **overrides: Any) -> Settings:
    """Return the settings of `quick` with bounds that only what hangs for good runs into."""
    return quick(driver, **{**BOUNDS, **overrides})


async def pending(call: Callable[[float], Awaitable[object]]) -> str:
    """Return the error of a call at its deadline, the first of growing ones by which it has reached Temporal."""
    for deadline in DEADLINES:
        try:
            await call(deadline)
        except TemporalUnavailable:
            continue
        except OperationPending as error:
            return str(error)
        raise AssertionError("the call has had its answer")
    raise AssertionError(f"Temporal was not reached in {DEADLINES[-1]:g} s")


class PatientClient(MooringClient):
    """A client that waits for its answers, unless a test sets a deadline."""

    async def publish(
        self,
        volume_handle: str,
        node_id: str,
        *,
        access_mode: AccessMode | str = AccessMode.SINGLE_NODE_WRITER,
        readonly: bool = False,
        deadline: float = PATIENCE,
    ) -> PublishResult:
        """Publish as any client does."""
        return await super().publish(volume_handle, node_id, access_mode=access_mode, readonly=readonly, deadline=deadline)

    async def unpublish(self, volume_handle: str, node_id: str = "", *, deadline: float = PATIENCE) -> UnpublishResult:
        """Unpublish as any client does."""
        return await super().unpublish(volume_handle, node_id, deadline=deadline)

"""Operations that only the CO can have done: to attach and detach a volume whose driver takes secrets, which only its calls carry.

Contract: a volume is known by the controllerPublishSecretRef of its PV, as the index has it, and while it waits for one by the
secrets that its publish came with. An operation without secrets is not begun, so that the array never sees a call
without credentials, and the volume stays free for the CO's own call.

Not kept here: the secrets (inflight.py), and that no call is made without (driver.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mooring.backend import TakesSecrets
from mooring.errors import SecretsNeeded

if TYPE_CHECKING:
    from mooring.backend import Backend
    from mooring.index.manager import AttachmentManager
    from mooring.temporal.visibility import RunVisibility


@dataclass(frozen=True, slots=True)
class CoCalls:
    """The volumes of one driver that wait for calls from the CO."""

    manager: AttachmentManager
    backend: Backend
    runs: RunVisibility

    async def awaits(self, volume_handle: str) -> bool:
        """Return whether the driver takes secrets for the volume, and none are handed over.

        Raises:
            TemporalUnavailable: Temporal did not report the attachment with which the volume waits for a PV.

        """
        if not isinstance(self.backend, TakesSecrets) or self.backend.has_secrets(volume_handle):
            return False
        return self.manager.needs_secrets(volume_handle) or await self.runs.waits_with_secrets(volume_handle)

    async def check(self, volume_handle: str, node_id: str) -> None:
        """Raise an error if only the CO can have the volume detached from the node.

        Raises:
            SecretsNeeded: the driver takes secrets, and none are handed over.
            TemporalUnavailable: see `awaits`.

        """
        if await self.awaits(volume_handle):
            raise SecretsNeeded(
                f"Volume {volume_handle} on node {node_id or '(every)'} waits for the CO: its driver takes secrets, which only "
                "the CO's own call supplies, so the driver was not called."
            )

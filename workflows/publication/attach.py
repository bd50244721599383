"""The backend's attach of one publish, and the detach that undoes it.

Contract: a detach that undoes the attach is asked for at no earlier epoch than the attach, so that its token is above it.

Not kept here: whether the attach may be undone (rollback.py), and the retries of a call (workflows/common/steps.py).
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from mooring.models import BackendCall, PublishRequest
    from workflows.common.cancellation import stop_if_cancelled
    from workflows.common.failures import STOPPED, is_final_at_once
    from workflows.common.lives import LIVES, this_life
    from workflows.common.steps import Steps

_ASKS_AGAIN = "attaches again where the run was reset"
"""The patch since which no publish succeeds on an attach of its former self."""


class BackendAttach:
    """The backend's attach of one publish; `begun`: it may be carried out, and has not been undone."""

    def __init__(self, steps: Steps, asked: PublishRequest) -> None:
        self.begun = False
        self._steps = steps
        self._asked = asked
        self._asked_at = 0
        """The highest epoch at which the backend was asked to attach."""
        self._life = this_life()
        """The life in which it was asked last."""

    async def ask(self, epoch: int) -> dict[str, str] | None:
        """Have the backend attach and return its publish context, or None if there is no backend."""
        self._life = this_life()
        if not self._steps.limits.backend:
            return None
        stop_if_cancelled()
        before, self.begun = self.begun, True
        self._asked_at = max(self._asked_at, epoch)
        try:
            return await self._steps.backend_publish(self._call(epoch))
        except STOPPED as error:
            self.begun = before or not is_final_at_once(error) or _may_be_asked_again()
            raise

    @property
    def outlived(self) -> bool:
        """True if the run was reset since it asked for the attach, which its former self, or an unpublish, may have undone."""
        return self._life != this_life() and workflow.patched(_ASKS_AGAIN)

    async def undo(self, epoch: int = 0) -> None:
        """Have the backend detach, however long it takes, at this epoch or the later one of the attach."""
        await self._steps.backend_undo(self._call(max(self._asked_at, epoch)))
        self.begun = False

    def _call(self, epoch: int) -> BackendCall:
        return BackendCall(
            volume=self._steps.volume,
            node_id=self._asked.node_id,
            epoch=epoch,
            access_mode=self._asked.access_mode,
            readonly=self._asked.readonly,
            access_type=self._asked.access_type,
            volume_context=self._asked.volume_context,
            handed_over=self._asked.handed_over,
        )


def _may_be_asked_again() -> bool:
    """Return whether a reset may lead to the wait for the attach, where a cancellation found the run."""
    return workflow.cancellation_reason() is not None and workflow.patched(LIVES)

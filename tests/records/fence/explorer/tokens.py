"""The rules with a driver that enforces the fencing tokens, as designed and with one of the tokens' rules left out."""

from __future__ import annotations

from tests.records.fence.explorer.rules import Rules
from tests.records.fence.explorer.state import Look, Record, Run


class WithDriver(Rules):
    """The rules as designed."""

    driver = True


class UndoBearsItsAttachsToken(WithDriver):
    """A rollback's detach bears the token of the attach that it undoes."""

    def undo_token(self, epoch: int) -> int:
        return self.attach_token(epoch)


class TokenIsTheEpoch(WithDriver):
    """A call bears the epoch that it was decided at."""

    def attach_token(self, epoch: int) -> int:
        return epoch

    def detach_token(self, epoch: int) -> int:
        return epoch


class DetachBearsTheNextEpoch(WithDriver):
    """A call bears its epoch, and a detach the epoch that its release will have."""

    def attach_token(self, epoch: int) -> int:
        return epoch

    def detach_token(self, epoch: int) -> int:
        return epoch + 1


class DetachedOnceForAll(WithDriver):
    """A node that was detached at an epoch that was over already isn't detached again at the one that is released."""

    def is_detached(self, run: Run, node: str, epoch: int) -> bool:  # noqa: ARG002
        return any(each == node for each, _ in run.detached)


class AttachesOnAFormerClaim(WithDriver):
    """A publish that was reset asks for an attach on the acquisition of its former self."""

    def outlived(self, record: Record, run: Run) -> bool:  # noqa: ARG002
        return False


class DetachesOnAFormerLook(WithDriver):
    """A rollback that was reset has the driver undo what its former self saw, whatever has become of it."""

    def undoes_on(self, look: Look, run: Run, pv: Record | None) -> bool:  # noqa: ARG002
        return True


class CancelledAndRefusedAtOnce(WithDriver):
    """A publish that was cancelled isn't undone at the driver where that has refused the attach at once."""

    def begun(self, run: Run) -> bool:
        return run.begun or run.tried

"""The backend's detach of one unpublish: the nodes, and the epoch at which it is asked for each.

Contract: the backend detaches at the epoch that is then released, so that its token is above that of any attach which may still
hang: an index that is behind costs another call, not the fence.

Not kept here: the release of the record (workflows/unpublish.py), and the retries of a call (workflows/common/steps.py).
"""

from __future__ import annotations

from collections.abc import Collection

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from mooring.errors import BackendInvalidArgument, BackendNotFound
    from mooring.models import BackendCall, ReadResult, UnpublishRequest, VolumeRecord
    from workflows.common.failures import says, stopped
    from workflows.common.lives import LIVES, this_life
    from workflows.common.steps import Steps

_AT_LIVE_EPOCH = "detach at the live epoch"
"""The patch since which a detach at an earlier epoch than the one to be released is none."""
_ALL = "detach what no record names"
"""The patch since which an unpublish from every node asks the backend for all of them, too, and not only for those recorded."""


class BackendDetach:
    """The backend's detach of one unpublish."""

    def __init__(self, steps: Steps, asked: UnpublishRequest) -> None:
        self._steps = steps
        self._asked = asked
        self._at: dict[str, tuple[int, int]] = {}
        """The nodes that the backend has detached, the epoch that it did so at, and the run's life then."""

    @property
    def nodes(self) -> Collection[str]:
        """The nodes that the backend has detached."""
        return self._at.keys()

    async def carry_out_or_look(self, seen: ReadResult) -> ReadResult | None:
        """Have the backend detach, or return the live look if it refuses and the record seen is out of date.

        NB: the index may be behind, and a backend refuses the token of an epoch that is over.
        """
        try:
            await self.carry_out(seen.record or seen.departed)
        except ActivityError as error:
            if is_cancelled_exception(stopped(error)) or self._steps.trusts(seen) or not workflow.patched(_AT_LIVE_EPOCH):
                raise
            live = await self._look_instead_of(error)
            if (live.record or live.departed) == (seen.record or seen.departed):
                raise
            return live
        return None

    async def carry_out(self, seen: VolumeRecord | None) -> None:
        """Have the backend detach the nodes to be released; the requested one even if no record names it, as one may be lost."""
        leaving, epoch = self.leaving(seen), seen.token_epoch if seen else 0
        for node in leaving:
            await self.ask(node, epoch, recorded=bool(seen and not seen.evidence))
        if not leaving:
            await self.ask(self._asked.node_id, epoch, recorded=False)
        elif not self._asked.node_id and workflow.patched(_ALL):
            await self._detach_unrecorded(epoch)

    async def ask(self, node_id: str, epoch: int, *, recorded: bool, needs_secrets: bool = False) -> None:
        """Have the backend detach, which may know nothing of it if no record names the node, or the node is gone.

        NB: not otherwise: NOT_FOUND says that the volume is not assumed to be detached (CSI spec, ControllerUnpublishVolume).
        """
        has_detached = self._asked.detached and self._asked.at_epoch is not None
        if not self._steps.limits.backend or has_detached or self._is_detached(node_id, epoch):
            return
        call = BackendCall(
            volume=self._steps.volume,
            node_id=node_id,
            epoch=epoch,
            handed_over=self._asked.handed_over,
            needs_secrets=needs_secrets,
        )
        life = this_life()  # NB: a reset may come before the answer
        try:
            await self._steps.backend_unpublish(call)
        except ActivityError as error:
            if not says(error, BackendNotFound) or (recorded and await self._steps.node_is_there(node_id)):
                raise
        self._at[node_id] = epoch, life

    def leaving(self, seen: VolumeRecord | None) -> list[str]:
        """Return the nodes that are to be released, of those that the record names."""
        return [held.node_id for held in seen.everyone if self._asked.node_id in ("", held.node_id)] if seen else []

    async def _look_instead_of(self, failed: ActivityError) -> ReadResult:
        try:
            return await self._steps.look(self._steps.limits.clear_budget)
        except ActivityError as error:
            raise (error if is_cancelled_exception(stopped(error)) else failed) from None

    async def _detach_unrecorded(self, epoch: int) -> None:
        """Have the backend detach from every node, as an operation that was cut off may have left an unrecorded attachment.

        NB: many a driver takes no call without a node id; the recorded nodes are detached by then.
        """
        try:
            await self.ask("", epoch, recorded=False)
        except ActivityError as error:
            if not says(error, BackendInvalidArgument):
                raise

    def _is_detached(self, node_id: str, epoch: int) -> bool:
        """Return whether it was at this epoch or a later one: an attach that hangs has a token above those of all before.

        NB: not by a former self of a run that was reset, since which the volume may have been published again.
        """
        if node_id not in self._at:
            return False
        at, life = self._at[node_id]
        if life != this_life() and workflow.patched(LIVES):
            return False
        return at >= epoch or not workflow.patched(_AT_LIVE_EPOCH)

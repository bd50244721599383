"""The releases of a dead node's volumes, several at a time, in rounds that each begin with a fresh list.

Contract: a volume that can't be released holds up no other; the reason is kept, and the next round tries it again. After a failed
step an unpublish may go on: if the volume is gone from the next list, the outcome is looked up, and counted. Before
each release the caller is asked whether the node is still dead.

Not kept here: the proof (proof.py), and the end of the rounds (workflows/evacuate.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from mooring.process.words import counted

with workflow.unsafe.imports_passed_through():
    from mooring.commands import arguments, code
    from workflows.common.cancellation import stop_if_cancelled
    from workflows.common.failures import reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mooring.models.evacuation import HeldVolume, HeldVolumes
    from workflows.evacuation.steps import EvacuationSteps


_MAX_REPORTED = 100
"""Volumes that could not be released whose reason is told."""
_MAX_COUNTED = 200
"""Volumes that a step counts."""
_LOST = "count what was released unheard"
"""The patch since which releases whose step has failed are looked into."""


class Releases:
    """The volumes of one node: `released` so far, still `held`, and of these the `failed`, each with the reason.

    `departed` are not released: their PV is gone, so nothing says whether the list is still true. After `at_most` releases it is
    `full`: the history is long enough.
    """

    def __init__(self, steps: EvacuationSteps, is_still_dead: Callable[[], Awaitable[bool]], released: int, at_most: int) -> None:
        self.released = released
        self.held = 0
        self.failed: dict[str, str] = {}
        self.departed: tuple[str, ...] = ()
        self._steps = steps
        self._is_still_dead = is_still_dead
        self._end = released + at_most
        self._unheard: dict[str, HeldVolume] = {}
        """The volumes whose release has failed, as it was asked for."""

    @property
    def full(self) -> bool:
        """True if another run has to go on."""
        return self.released >= self._end or workflow.info().is_continue_as_new_suggested()

    @property
    def told(self) -> dict[str, str]:
        """Some of those that failed, with the reasons."""
        return dict(islice(self.failed.items(), _MAX_REPORTED))

    @property
    def obstacle(self) -> str:
        """The number of volumes that could not be released, and the reason of the first, "" if there is none."""
        if not self.failed:
            return ""
        handle, why = next(iter(self.failed.items()))
        rest = f", and {counted(len(self.failed) - 1, 'other')}" if len(self.failed) > 1 else ""
        return f" Not released yet: volume {handle}{rest}. The cause: {why}"

    def counted(self, left: int) -> str:
        """Describe the releases in words, with so many volumes `left`."""
        done = f"{counted(self.released, 'volume')} released, {left} left"
        if not self.departed:
            return done
        commands = ", ".join(code(f"mooring unpublish {arguments(handle, self._steps.node_id)}") for handle in self.departed)
        went = "the PersistentVolumes of some that it held were deleted, and these have not been unpublished since"
        return f"{done}; {went}. Once nothing uses them there, release them by {commands}"

    async def round(self) -> bool:
        """Try each volume that the node holds once, and return whether any was released. If there is none, `held` is 0."""
        before, listed = self.released, await self.relist()
        gone, due = self._take_unheard(listed), deque(listed.volumes)
        await asyncio.gather(self._count(gone), *(self._release_from(due) for _ in range(self._steps.options.at_once)))
        if self._unheard and (due or self.full) and workflow.patched(_LOST):  # there is no next round
            await self._count(self._take_unheard(await self.relist()))
        return self.released > before

    async def relist(self) -> HeldVolumes:
        """Return the volumes that the node holds now."""
        listed = await self._steps.held()
        left = {held.volume_handle for held in listed.volumes}
        self.held, self.departed = listed.total, listed.departed
        self.failed = {handle: why for handle, why in self.failed.items() if handle in left}
        return listed

    def _take_unheard(self, listed: HeldVolumes) -> list[HeldVolume]:
        """Return the volumes that are gone from the list although the step that was to release them has failed; ask once."""
        left = {held.volume_handle for held in listed.volumes}
        gone = [held for handle, held in self._unheard.items() if handle not in left]
        self._unheard.clear()
        return gone

    async def _count(self, gone: list[HeldVolume]) -> None:
        """Count the volumes among these that an unpublish of this evacuation has released.

        NB: a volume whose outcome is unknown is not counted: it is but a figure, and the next round must not wait for it.
        """
        if not gone or not workflow.patched(_LOST):
            return
        try:
            for first in range(0, len(gone), _MAX_COUNTED):
                counted = await self._steps.count_released(gone[first : first + _MAX_COUNTED])
                self.released += counted  # NB: releases that go on meanwhile count as well
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning(
                "The number of %d volumes that were released unnoticed is unknown: %s", len(gone), reason(error)
            )

    async def _release_from(self, due: deque[HeldVolume]) -> None:
        while due and not self.full and await self._is_still_dead():
            stop_if_cancelled()
            if due:  # another one may have taken the last meanwhile
                await self._release(due.popleft())

    async def _release(self, held: HeldVolume) -> None:
        try:
            result = await self._steps.release(held)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            self.failed[held.volume_handle] = reason(error)
            self._unheard[held.volume_handle] = held
            return
        self.failed.pop(held.volume_handle, None)
        if not result.annotation_cleared:
            self.failed[held.volume_handle] = result.message
        elif self._steps.node_id in result.released:
            self.released += 1
            self.held -= 1

"""Raises Kubernetes Events; best effort, an operation never fails for want of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from activities.running import running
from mooring.models import Warned

if TYPE_CHECKING:
    from mooring.events import Events


class EventActivities:
    """The Events of one worker."""

    def __init__(self, events: Events) -> None:
        self._events = events

    @activity.defn(name="warn_not_cleared")
    async def not_cleared(self, warned: Warned) -> None:
        """AnnotationNotCleared, in the worker's log and on the PV where there is one."""
        activity.logger.warning(warned.message)
        if warned.record is not None:
            async with running():
                await self._events.warn(warned.record.mark, "AnnotationNotCleared", warned.message)

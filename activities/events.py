"""The activities that record Kubernetes Events; best effort, an operation never fails for want of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from activities.attempt import attempt
from mooring.events.reasons import EventNote, Reason
from mooring.models import WarnInput

if TYPE_CHECKING:
    from mooring.events.recorder import Events


class EventActivities:
    """The Events of one worker."""

    def __init__(self, events: Events) -> None:
        self._events = events

    @activity.defn(name="warn_not_cleared")
    async def not_cleared(self, warned: WarnInput) -> None:
        """Report AnnotationNotCleared in the worker's log and on the PV, its claim and its holder as far as they are known.

        An attempt succeeds once it is recorded on one of them.
        """
        activity.logger.warning(warned.message)
        record = warned.record
        if record is None:
            return
        holder = record.everyone[0].node_id if record.everyone else ""
        handle = warned.volume.volume_handle
        async with attempt():
            await self._events.write(EventNote(Reason.ANNOTATION_NOT_CLEARED, handle, holder, record.mark, warned.message, holder))

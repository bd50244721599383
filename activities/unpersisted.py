"""Attachments whose PV does not exist yet: Temporal holds them, as one open `PersistAttachment` run a volume.

Contract: the run's id is the lock, its memo the attachment. `find` and `drop` ask Temporal's own state of the run, which is
consistent, never its visibility store, which is not. `wait` keeps the attachment in this worker's index while it waits. Waits
beyond their share of this worker's slots give way at once, so that any number of volumes without a PV leaves room for operations.

Not kept here: writing the record when the PV appears (workflows/persist.py).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowContinuedAsNewError, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from activities.glancing import glance
from activities.running import running
from mooring.asking import Asking
from mooring.errors import HeldElsewhere, Incompatible, OperationPending, TemporalUnavailable, VolumeAwaited
from mooring.holds import Fate, lives
from mooring.models import Attachment, RunRef, Unpersisted, VolumeRecord, VolumeRef, Waiting
from mooring.names import ATTACHMENT_MEMO, PERSIST, SECRETS_MEMO, asked_by, unpersisted_id, volume_id
from mooring.runs import look_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from temporalio.client import WorkflowExecutionDescription, WorkflowHandle

    from mooring.evidence import Evidence
    from mooring.manager import AttachmentManager
    from mooring.volumes import Volumes

_ENDING: Final = 2.0
"""Seconds that one attempt waits for the end of a run."""
_FATES = {
    WorkflowExecutionStatus.RUNNING: Fate.OPEN,
    WorkflowExecutionStatus.COMPLETED: Fate.SUCCEEDED,
    WorkflowExecutionStatus.FAILED: Fate.ROLLED_BACK,
    WorkflowExecutionStatus.CANCELED: Fate.ROLLED_BACK,
}
_CHILD_STARTED = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
"""What a publish waits for before it asks the backend."""


class UnpersistedActivities:
    """The unpersisted attachments of one driver; `waits` of them are waited for at once."""

    def __init__(self, client: Client, manager: AttachmentManager, volumes: Volumes, evidence: Evidence, waits: int) -> None:
        self._free = waits
        self._evidence = evidence
        self._client = client
        self._manager = manager
        self._volumes = volumes

    @activity.defn(name="find_unpersisted")
    async def find(self, volume: VolumeRef) -> Waiting | None:
        """What waits for the volume's PV, or None."""
        async with running():
            return await self.look_up(volume)

    async def look_up(self, volume: VolumeRef) -> Waiting | None:
        """As `find`, for an activity that is running already."""
        run = await look_up(self._client, unpersisted_id(volume))
        if run is None or run.status is not WorkflowExecutionStatus.RUNNING:
            return None
        attachment = await run.memo_value(ATTACHMENT_MEMO, type_hint=Attachment)
        return Waiting(
            attachment=attachment,
            run_id=run.run_id,
            by=activity.info().workflow_run_id or "",
            ending=run.raw_description.workflow_extended_info.cancel_requested,
            begun_by=run.parent_run_id or "",
            with_secrets=await run.memo_value(SECRETS_MEMO, False, type_hint=bool),
        )

    @activity.defn(name="drop_unpersisted")
    async def drop(self, run: RunRef) -> None:
        """Cancel this run or that which goes on in its place, and no other of its id, and return once none of them is open."""
        async with self._ending(run):
            while (heir := await self._heir(run)) is not None:
                await self._cancel(heir)
                await _closed(heir)

    @activity.defn(name="outwait_unpersisted")
    async def outwait(self, run: RunRef) -> None:
        """Return once this run, which was asked to end, has done so, or goes on in another one."""
        async with self._ending(run):
            await _closed(self._client.get_workflow_handle(unpersisted_id(run.volume), run_id=run.run_id))

    @activity.defn(name="check_operation")
    async def is_open(self, operation: RunRef) -> bool:
        """Return whether this operation on the volume is open."""
        async with running(patient=True):
            run = await look_up(self._client, volume_id(operation.volume), operation.run_id)
            return run is not None and run.status is WorkflowExecutionStatus.RUNNING

    @asynccontextmanager
    async def _ending(self, run: RunRef) -> AsyncIterator[None]:
        """Bound the wait for the end of a run.

        NB: the run may need a slot like this one to end, so one attempt keeps it for a moment only.
        """
        async with running(patient=True):
            try:
                async with asyncio.timeout(_ENDING):
                    yield
            except TimeoutError:
                raise OperationPending(f"{unpersisted_id(run.volume)} is being ended; it is looked at again.") from None
            except RPCError as error:
                raise TemporalUnavailable(f"Temporal did not end {unpersisted_id(run.volume)}: {error}.") from error

    async def _heir(self, run: RunRef) -> WorkflowHandle[Any, Any] | None:
        """The open run that is this one, or was continued or reset from it; None where there is none."""
        workflow_id = unpersisted_id(run.volume)
        newest = await look_up(self._client, workflow_id)
        if newest is None or newest.status is not WorkflowExecutionStatus.RUNNING:
            return None
        if newest.run_id != run.run_id:
            named = await look_up(self._client, workflow_id, run.run_id)
            if named is None or _first(named) != _first(newest):
                return None
        return self._client.get_workflow_handle(workflow_id, run_id=newest.run_id)

    async def _cancel(self, run: WorkflowHandle[Any, Any]) -> None:
        try:
            await run.cancel(reason=asked_by(activity.info().workflow_run_id or ""))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended already
                raise

    @activity.defn(name="check_publisher")
    async def publisher_lives(self, publish: RunRef) -> bool:
        """Whether nothing shows that the publish was rolled back, or was cut off before the backend can have begun for it."""
        async with running(patient=True):
            run = await look_up(self._client, volume_id(publish.volume), publish.run_id)
            fate = _FATES.get(run.status, Fate.CUT_OFF) if run is not None and run.status is not None else Fate.UNKNOWN
            return lives(fate, learnt=run is None or fate is not Fate.CUT_OFF or await self._saw_its_child(run))

    @activity.defn(name="wait_for_volume")
    async def wait(self, waiting: Unpersisted) -> VolumeRecord:
        """The record with what is known beyond it, once there is a PV; the attachment is in this worker's index meanwhile."""
        handle = waiting.volume.volume_handle
        async with running(patient=True):
            if self._free <= 0 and self._manager.pv_name(handle) is None:
                raise VolumeAwaited(f"Volume {handle} has no PersistentVolume yet, as have many others; it is looked at again.")
            tracked = self._track(waiting)
            self._free -= 1
            try:
                return await self._appearance(handle)
            finally:
                self._free += 1
                if tracked:
                    self._manager.stop_tracking(handle, waiting.attachment.node_id)

    def _track(self, waiting: Unpersisted) -> bool:
        try:
            return self._manager.track_attachment(waiting.volume.volume_handle, waiting.attachment)
        except (HeldElsewhere, Incompatible):
            return False  # this worker's index is older than the publish

    async def _appearance(self, handle: str) -> VolumeRecord:
        asking = Asking(activity.info().workflow_run_id or "", PERSIST)
        while True:
            before, pvs = self._manager.claims(handle), self._manager.pvs(handle)
            record = await self._volumes.read(handle, pvs)
            if record is not None:
                found = await self._evidence.look_found(handle, before, pvs, record, asking)
                if found.record is not None:
                    return found.record
            await glance(
                lambda: self._manager.pv_name(handle) is not None,
                VolumeAwaited(f"Volume {handle} has no PersistentVolume yet; another worker waits on."),
            )

    async def _saw_its_child(self, run: WorkflowExecutionDescription) -> bool:
        events = self._client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history_events()
        try:
            return any([event.event_type == _CHILD_STARTED async for event in events])
        except RPCError as error:
            raise TemporalUnavailable(f"Temporal did not say how far {run.id} has come: {error}.") from error


async def _closed(run: WorkflowHandle[Any, Any]) -> None:
    """Return once the run has ended, however it did."""
    try:
        await run.result(follow_runs=False)
    except (WorkflowFailureError, WorkflowContinuedAsNewError):
        return
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # it ended long ago
            raise


def _first(run: WorkflowExecutionDescription) -> str:
    """Return the run that this one goes back to, over all that it was continued or reset from."""
    return run.raw_description.workflow_execution_info.first_run_id

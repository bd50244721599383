"""Attachments whose PV does not exist yet: Temporal holds them, as one open `PersistAttachment` run a volume.

Contract: the run's id is the lock, its memo the attachment. `find` and `drop` ask Temporal's own state of the run, which is
consistent, never its visibility store, which is not. `wait` keeps the attachment in this worker's index while it waits. Waits
beyond their share of this worker's slots give way at once, so that any number of volumes without a PV leaves room for operations.

Not kept here: the look at the PV (appearance.py), and writing the record once it appears (workflows/persist.py).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowContinuedAsNewError, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from activities.appearance import Appearance
from activities.attempt import attempt, to_failure
from mooring.errors import Contended, HeldElsewhere, Incompatible, OperationPending, TemporalUnavailable, VolumeAwaited
from mooring.evidence.past_holds import is_over
from mooring.models import Attachment, PersistInput, RunRef, UnpersistedRun, VolumeRecord, VolumeRef
from mooring.names import ATTACHMENT_MEMO, SECRETS_MEMO, UNPUBLISH, asked_by, unpersisted_id, volume_id
from mooring.records.holds import Fate, lives
from mooring.temporal.lineage import first_run_id
from mooring.temporal.reasons import in_words
from mooring.temporal.runs import is_run_id, look_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from temporalio.client import WorkflowExecutionDescription, WorkflowHandle

    from mooring.evidence.evidence import EvidenceReader
    from mooring.index.manager import AttachmentManager
    from mooring.records.store import RecordStore

_ENDING: Final = 2.0
"""Seconds that one attempt waits for the end of a run."""
_FATES = {
    WorkflowExecutionStatus.RUNNING: Fate.OPEN,
    WorkflowExecutionStatus.COMPLETED: Fate.SUCCEEDED,
    WorkflowExecutionStatus.FAILED: Fate.ROLLED_BACK,
    WorkflowExecutionStatus.CANCELED: Fate.ROLLED_BACK,
}
_CHILD_STARTED = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
"""The event that a publish waits for before it asks the backend."""


class UnpersistedActivities:
    """The unpersisted attachments of one driver; `waits` of them are waited for at once."""

    def __init__(
        self, client: Client, manager: AttachmentManager, volumes: RecordStore, evidence: EvidenceReader, waits: int
    ) -> None:
        self._free = waits
        self._evidence = evidence
        self._client = client
        self._manager = manager
        self._volumes = volumes

    @activity.defn(name="find_unpersisted")
    async def find(self, volume: VolumeRef) -> UnpersistedRun | None:
        """Return the attachment that waits for the volume's PV, or None."""
        async with attempt():
            run = _if_open(await self.newest(volume))
            if run is None:
                return None
            # NB: an unpublish relies on no hold, and must not wait for what a publish has to know of it.
            asks = activity.info().workflow_type != UNPUBLISH
            over = asks and await is_over(self._client, volume, run, _run_id())
            return (await self._found(run)).model_copy(update={"over": over})

    async def newest(self, volume: VolumeRef) -> WorkflowExecutionDescription | None:
        """Describe the newest run that held the volume, open or not, within an activity that is running already."""
        return await look_up(self._client, unpersisted_id(volume))

    async def waits_in(self, newest: WorkflowExecutionDescription | None) -> UnpersistedRun | None:
        """Find the wait like `find`, in that description, but for whether it is over."""
        run = _if_open(newest)
        return None if run is None else await self._found(run)

    async def _found(self, run: WorkflowExecutionDescription) -> UnpersistedRun:
        attachment = await run.memo_value(ATTACHMENT_MEMO, type_hint=Attachment)
        return UnpersistedRun(
            attachment=attachment,
            run_id=run.run_id,
            by=_run_id(),
            ending=run.raw_description.workflow_extended_info.cancel_requested,
            begun_by=run.parent_run_id or "",
            with_secrets=await run.memo_value(SECRETS_MEMO, False, type_hint=bool),
        )

    @activity.defn(name="drop_unpersisted")
    async def drop(self, run: RunRef) -> None:
        """Cancel this run or the one that goes on in its place, and no other of its id, and return once none of them is open."""
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
    async def ends_for(self, operation: RunRef) -> bool:
        """Return whether the hold that asks ends for this operation: for one that is open or, if the hold is over, for any."""
        async with attempt(patient=True):
            run = await look_up(self._client, volume_id(operation.volume), operation.run_id)
            if run is not None and run.status is WorkflowExecutionStatus.RUNNING:
                return True
            try:
                return await self._asks_when_over(operation.volume)
            except OperationPending:  # NB: the one that is open may wait for this hold's end, and ends the one that goes on
                return False

    @asynccontextmanager
    async def _ending(self, run: RunRef) -> AsyncIterator[None]:
        """Bound the wait for the end of a run.

        NB: the run may need a slot like this one to end, so one attempt keeps it for a moment only.
        """
        async with attempt(patient=True):
            try:
                async with asyncio.timeout(_ENDING):
                    yield
            except TimeoutError:
                raise OperationPending(f"{unpersisted_id(run.volume)} is being ended; it is checked again.") from None
            except RPCError as error:
                raise TemporalUnavailable(f"Temporal did not end {unpersisted_id(run.volume)}: {in_words(error)}.") from error

    async def _heir(self, run: RunRef) -> WorkflowHandle[Any, Any] | None:
        """Return the open run that is this one, or was continued or reset from it, or None if there is none."""
        workflow_id = unpersisted_id(run.volume)
        newest = await look_up(self._client, workflow_id)
        if newest is None or newest.status is not WorkflowExecutionStatus.RUNNING:
            return None
        if newest.run_id != run.run_id:
            named = await look_up(self._client, workflow_id, run.run_id)
            if named is None or not first_run_id(named) or first_run_id(named) != first_run_id(newest):
                return None  # NB: a server that says of no run where it goes back to says nothing of these two either
        return self._client.get_workflow_handle(workflow_id, run_id=newest.run_id)

    async def _cancel(self, run: WorkflowHandle[Any, Any]) -> None:
        try:
            await run.cancel(reason=asked_by(_run_id()))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended already
                raise

    @activity.defn(name="check_publisher")
    async def publisher_lives(self, publish: RunRef) -> bool:
        """Return whether nothing shows that the publish was rolled back, or cut off before the backend can have begun for it.

        NB: nor that the hold which asks is over; one that has the word of its publish learns that when it would wait for the PV.
        """
        async with attempt(patient=True):
            if await self._asks_when_over(publish.volume):
                return False
            run = await look_up(self._client, volume_id(publish.volume), publish.run_id)
            fate = _FATES.get(run.status, Fate.CUT_OFF) if run is not None and run.status is not None else Fate.UNKNOWN
            return lives(fate, learnt=run is None or fate is not Fate.CUT_OFF or await self._saw_its_child(run))

    @activity.defn(name="check_recorder")
    async def has_begun(self, run: RunRef) -> bool:
        """Return whether this is a hold that the operation which asks has begun, or one that goes on in its place."""
        async with attempt(patient=True):
            known = is_run_id(run.run_id)
            hold = await look_up(self._client, unpersisted_id(run.volume), run.run_id) if known else None
            return hold is not None and hold.parent_run_id == _run_id()

    @activity.defn(name="wait_for_volume")
    async def wait(self, waiting: PersistInput) -> VolumeRecord:
        """Return the record with what is known beyond it, once there is a PV and the attachment has its place there.

        The attachment is in this worker's index meanwhile.
        """
        handle = waiting.volume.volume_handle
        async with attempt(patient=True):
            is_full = self._free <= 0 and self._manager.pv_name(handle) is None
            if not is_full or activity.info().attempt == 1:
                await self._refuse_if_over(waiting)
            if is_full:
                raise VolumeAwaited(f"Volume {handle} has no PersistentVolume yet, like many others; it is checked again.")
            tracked = self._track(waiting)
            self._free -= 1
            try:
                return await self._appearance(waiting).record()
            finally:
                self._free += 1
                if tracked:
                    self._manager.stop_tracking(handle, waiting.attachment.node_id)

    def _appearance(self, waiting: PersistInput) -> Appearance:
        def is_crowded() -> bool:
            return self._free < 0

        return Appearance(waiting, _run_id(), self._manager, self._volumes, self._evidence, is_crowded)

    def _track(self, waiting: PersistInput) -> bool:
        try:
            return self._manager.track_attachment(waiting.volume.volume_handle, waiting.attachment)
        except (HeldElsewhere, Incompatible):
            return False  # this worker's index is older than the publish

    async def _refuse_if_over(self, waiting: PersistInput) -> None:
        """Raise an error if others may have had the volume since the run ended and was reset."""
        if await self._asks_when_over(waiting.volume):
            node, volume = waiting.attachment.node_id, waiting.volume.volume_handle
            error = Contended(f"This run was reset after it had ended, so it holds volume {volume} for node {node} no longer.")
            raise to_failure(error)

    async def _asks_when_over(self, volume: VolumeRef) -> bool:
        """Return whether the run that asks was reset after it had ended."""
        run = await look_up(self._client, unpersisted_id(volume), _run_id())
        return run is not None and await is_over(self._client, volume, run, "")

    async def _saw_its_child(self, run: WorkflowExecutionDescription) -> bool:
        events = self._client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history_events()
        try:
            return any([event.event_type == _CHILD_STARTED async for event in events])
        except RPCError as error:
            raise TemporalUnavailable(f"Temporal did not return the progress of {run.id}: {in_words(error)}.") from error


def _if_open(run: WorkflowExecutionDescription | None) -> WorkflowExecutionDescription | None:
    return run if run is not None and run.status is WorkflowExecutionStatus.RUNNING else None


def _run_id() -> str:
    return activity.info().workflow_run_id or ""


async def _closed(run: WorkflowHandle[Any, Any]) -> None:
    """Return once the run has ended, however it did."""
    try:
        await run.result(follow_runs=False)
    except (WorkflowFailureError, WorkflowContinuedAsNewError):
        return
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # it ended long ago
            raise

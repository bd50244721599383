"""PersistAttachment: hold a volume that has no PV yet, and record it as soon as there is one. `Keeper`: a publish's view of
that run.

Contract: at most one such run is open for a volume, and while it is, the volume is held by the node in its memo. It ends when the
record is written, or when it is cancelled, having taken back what it may have written. It holds one node: a second one has to
wait for the PV.

It writes only once its publish has settled (signal `settle`), so that what a rollback has to undo is never written behind its
back. One whose publish was terminated before it started ends at once.

Not kept here: finding and ending the run (activities/unpersisted.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from mooring import fence, names
    from mooring.errors import Contended, VolumeNotFound
    from mooring.models import AccessMode, Attachment, Looked, PublishRequest, Unpersisted, VolumeRecord, Write
    from workflows.cancellation import stop_if_cancelled, to_the_end
    from workflows.failures import STOPPED, ended, failed_step, failure
    from workflows.outcome import show
    from workflows.steps import Steps


class Keeper:
    """What a publish finds and does about the open PersistAttachment run of its volume."""

    def __init__(self, steps: Steps, asked: PublishRequest) -> None:
        self._steps = steps
        self._asked = asked
        self._held: Attachment | None = None
        self.started = False

    @property
    def found(self) -> bool:
        """Whether the volume was held without a PV before this publish."""
        return self._held is not None and not self.started

    async def hold(self) -> Attachment:
        """The attachment that holds the volume until it has a PV: the one that waits already, or a new one."""
        held = self._held = await self._steps.waits_for_pv(None)
        if held is None:
            return await self._start()
        refusal = fence.refuse([held], self._asked)
        # NB: a second holder has nowhere to be written down until the PV is there.
        if refusal is None and held.node_id != self._asked.node_id:
            refusal = Contended(
                f"Volume {self._asked.volume_handle} has no PersistentVolume yet and is held by node {held.node_id}; "
                f"node {self._asked.node_id} can join once it has."
            )
        if refusal is not None:
            raise failure(refusal)
        return held

    async def settle(self, held: Attachment) -> Attachment:
        """Tell the run that it may write the attachment, with its publish context, once there is a PV."""
        run = workflow.get_external_workflow_handle_for(PersistAttachment.run, names.unpersisted_id(self._asked))
        try:
            await run.signal(PersistAttachment.settle, held)
        except ApplicationError as error:
            raise failure(Contended(f"Volume {self._asked.volume_handle} got its PersistentVolume just now ({error}).")) from error
        return held

    async def _start(self) -> Attachment:
        if self._steps.limits.reject_missing_pv:
            raise failure(
                VolumeNotFound(f"Volume {self._asked.volume_handle} of driver {self._asked.driver} has no PersistentVolume.")
            )
        held = Attachment(
            node_id=self._asked.node_id,
            attached_at=workflow.now(),
            access_mode=self._asked.access_mode,
            readonly=self._asked.readonly,
        )
        self.started = True
        try:
            await to_the_end(self._start_run(held))
        except WorkflowAlreadyStartedError:
            self.started = False
            raise failure(Contended(f"Volume {self._asked.volume_handle} got another holder just now.")) from None
        return held

    async def _start_run(self, held: Attachment) -> None:
        await workflow.start_child_workflow(
            PersistAttachment.run,
            Unpersisted(volume=self._steps.volume, attachment=held, operation=self._steps.operation),
            id=names.unpersisted_id(self._asked),
            parent_close_policy=ParentClosePolicy.ABANDON,
            task_timeout=names.TASK_TIMEOUT,
            memo={names.ATTACHMENT_MEMO: held},
            static_summary=f"{held.node_id} holds {self._asked.volume_handle} until it has a PersistentVolume",
        )


@workflow.defn(name=names.PERSIST)
class PersistAttachment:
    """Runs under the id `unpersisted/<driver>/<volume handle>`, as a child that outlives its publish; returns a message."""

    def __init__(self) -> None:
        self._waiting: Unpersisted
        self._steps: Steps
        self._settled: Attachment | None = None
        self._reclaims = False

    @workflow.signal
    def settle(self, attachment: Attachment) -> None:
        """The publish has succeeded: write this once there is a PV."""
        self._settled = attachment
        workflow.upsert_memo({names.ATTACHMENT_MEMO: attachment})

    @workflow.run
    async def run(self, waiting: Unpersisted) -> str:
        """Hold, then record; see the module."""
        self._waiting = waiting
        self._steps, _ = await Steps.begin(waiting.volume)
        show(self._steps.limits, waiting.volume, waiting.attachment.node_id, names.State.WAITING_FOR_PV)
        try:
            return await self._hold()
        except STOPPED as error:
            with suppress(asyncio.CancelledError):
                await to_the_end(self._steps.take_back(waiting.attachment.node_id, lambda _: self._reclaims, _always))
            raise ended(error, f"{self._what()} ended; it holds the volume no longer") from failed_step(error)

    async def _hold(self) -> str:
        if not await self._steps.publisher_lives(self._waiting.operation):
            return f"{self._what()} is not needed: its publish has not succeeded."
        stop_if_cancelled()
        await workflow.wait_condition(lambda: self._settled is not None)
        while True:
            attachment = self._settled or self._waiting.attachment
            seen = await self._steps.wait_for_volume(self._waiting.model_copy(update={"attachment": attachment}))
            stop_if_cancelled()
            result = await self._steps.persist(self._claim(seen, attachment))
            if result.landed and result.record is not None:
                return f"{self._what()} is done at epoch {result.record.epoch}."

    def _claim(self, seen: VolumeRecord, held: Attachment) -> Write:
        asked = PublishRequest(
            driver=self._waiting.volume.driver,
            volume_handle=self._waiting.volume.volume_handle,
            node_id=held.node_id,
            access_mode=held.access_mode or AccessMode.SINGLE_NODE_WRITER,
            readonly=held.readonly,
        )
        decision = fence.claim(seen, asked, self._waiting.operation, held.attached_at, held.publish_context)
        if isinstance(decision, fence.Refuse):
            raise failure(decision.error)
        self._reclaims = decision.reclaims
        return decision.write

    def _what(self) -> str:
        return f"Recording node {self._waiting.attachment.node_id} as holder of volume {self._waiting.volume.volume_handle}"


async def _always(_: Looked) -> bool:
    """This run has no backend to undo, its publish has; and of all it may write to a record without an epoch."""
    return True

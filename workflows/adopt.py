"""AdoptAttachment: record an existing attachment that predates Mooring.

Contract: it succeeds when the record names the node, by this very run or by the one that it was reset from, and calls no
backend. It writes on no other record than the one that it was decided on: if that has changed it fails, and doesn't touch
it. If its own write may still land, or that of the run that it was reset from, it is rolled back before it fails: the record
alone, since the attachment is not its doing.

Not kept here: the choice of attachments (mooring/adoption/rules.py), the write (mooring/records/fence.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from mooring.errors import Contended
    from mooring.events.reasons import Reason
    from mooring.models import AdoptRequest, PublishResult, ReadResult, VolumeRecord, WriteResult
    from mooring.names import ADOPT
    from mooring.records import fence
    from mooring.states import State
    from workflows.common.acquisition import RecordAcquisition
    from workflows.common.cancellation import stop_if_cancelled, to_the_end
    from workflows.common.failures import STOPPED, ended, failed_step, failure, is_final, reason, stopped
    from workflows.common.lives import was_reset
    from workflows.common.payloads import NOTHING, read_request
    from workflows.common.report import Report
    from workflows.common.steps import Steps
    from workflows.common.undo import take_back


@workflow.defn(name=ADOPT)
class AdoptAttachment:
    """The workflow with the id `volume/<driver>/<volume handle>`; takes an AdoptRequest, returns a PublishResult."""

    def __init__(self) -> None:
        self._asked: AdoptRequest
        self._steps: Steps
        self._report: Report
        self._acquisition: RecordAcquisition
        self._refuses = False
        """True if the run itself looked before it refused: no write of a former self lands after that."""

    @workflow.run
    async def run(self, request: RawValue = NOTHING) -> PublishResult:
        """Adopt; see the module."""
        self._asked = read_request(AdoptRequest, request)
        self._steps, seen = await Steps.begin(self._asked, rolls_back=True)
        self._acquisition = RecordAcquisition(self._steps)
        self._report = Report("adopt", self._steps, self._node)
        self._report.show(State.ADOPTING)
        try:
            if self._steps.lives.stopped is not None:
                raise self._steps.lives.stopped
            result = self._result(await self._adopt(seen))
        except STOPPED as error:
            raise await self._failed(stopped(error)) from failed_step(error)
        self._report.end(State.ATTACHED)
        adopted = f"Volume {result.volume_handle} was attached to node {self._node} already and is adopted."
        self._report.event(Reason.ATTACHED, adopted)
        return result

    async def _adopt(self, seen: ReadResult) -> VolumeRecord:
        decision = self._decide(seen)
        while isinstance(decision, fence.Refuse) and not self._steps.trusts(seen):
            seen = await self._steps.look()
            decision = self._decide(seen)
        if isinstance(decision, fence.Refuse):
            self._refuses = True
            raise failure(decision.error)
        written = await self._acquisition.make(decision, seen)
        stop_if_cancelled()
        if written.landed and not self._steps.is_current(written):
            written = WriteResult(landed=True, record=(await self._steps.look()).record)
        record = written.record
        if not written.landed or record is None or record.holder(self._node) is None:
            raise failure(Contended(f"{self._what()} lost to another writer of the record."))
        return record

    def _decide(self, seen: ReadResult) -> fence.Acquire | fence.Refuse:
        if self._steps.waiting is not None or seen.record is None:
            return fence.Refuse(Contended(f"{self._what()} has to wait: the volume has no PersistentVolume, or just got one."))
        return fence.adopt(seen.record, self._asked, self._steps.operation)

    async def _failed(self, error: BaseException) -> FailureError:
        if is_final(error) and not self._acquisition.may_land and (self._refuses or not was_reset()):
            self._report.end(State.REFUSED)
            return ended(error, f"{self._what()} failed, and nothing of it was written")
        self._report.show(State.ROLLING_BACK, f"{self._what()} failed. The cause: {reason(error)}")
        with suppress(asyncio.CancelledError):
            await to_the_end(take_back(self._steps, self._node, self._acquisition.stays, _has_pv))
        self._report.end(State.ROLLED_BACK)
        return ended(error, f"{self._what()} failed; it is rolled back, and the volume is attached as it was")

    def _result(self, record: VolumeRecord) -> PublishResult:
        held = self._asked.attachment
        return PublishResult(
            driver=self._asked.driver,
            volume_handle=self._asked.volume_handle,
            node_id=self._node,
            publish_context=held.publish_context,
            epoch=record.epoch,
            attached_at=held.attached_at,
            persisted=True,
            reclaimed=False,
            message=f"{self._what()} is done at epoch {record.epoch}; VolumeAttachment {self._asked.volume_attachment} shows it.",
        )

    @property
    def _node(self) -> str:
        return self._asked.attachment.node_id

    def _what(self) -> str:
        return f"Adopting volume {self._asked.volume_handle} on node {self._node}"


async def _has_pv(seen: ReadResult) -> bool:
    return seen.record is not None

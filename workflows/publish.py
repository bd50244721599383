"""PublishVolume: make a node hold a volume, or undo the attempt completely.

Contract: it succeeds when the record says so, by this very run, and the backend has attached. It fails at once, having
written nothing, when it gets a final answer before anything of it can have been written. In any other case it is rolled back
in reverse (the backend, then the record) before it fails, and the epoch has moved, so that nothing of it can still land. A
node that held the volume before keeps it.

While a volume has no PV, an open PersistAttachment run holds it instead of the record.

Not kept here: the writes (mooring/records/fence.py), the backend's part, the hold and the rollback (workflows/publication/), and
the retries of a step (workflows/common/steps.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from mooring.commands import arguments, code
    from mooring.errors import Contended, Disputed
    from mooring.events.reasons import Reason
    from mooring.models import (
        Attachment,
        NodeVerdict,
        PublishRequest,
        PublishResult,
        ReadResult,
        VolumeRecord,
        WriteResult,
    )
    from mooring.names import PUBLISH
    from mooring.records import fence, refusals
    from mooring.states import State
    from workflows.common.acquisition import RecordAcquisition, heeding_history
    from workflows.common.cancellation import stop_if_cancelled, to_the_end
    from workflows.common.events import record_not_attached
    from workflows.common.failures import STOPPED, ended, failed_step, failure, is_final, reason, stopped
    from workflows.common.lives import was_reset
    from workflows.common.payloads import NOTHING, read_request
    from workflows.common.report import Report
    from workflows.common.steps import Steps
    from workflows.migrate import watch_migration
    from workflows.publication.attach import BackendAttach
    from workflows.publication.hold import UnpersistedHold
    from workflows.publication.rollback import PublishRollback, is_named

_LOOKS_BESIDE_FOUND = "looks at the record beside a hold that it finds"
"""The patch since which a publish relies on a hold that was there before only where no record excludes its node."""


@workflow.defn(name=PUBLISH)
class PublishVolume:
    """The workflow with the id `volume/<driver>/<volume handle>`; takes a PublishRequest, returns a PublishResult."""

    def __init__(self) -> None:
        self._asked: PublishRequest
        self._steps: Steps
        self._report: Report
        self._hold: UnpersistedHold
        self._acquisition: RecordAcquisition
        self._attach: BackendAttach
        self._rollback: PublishRollback
        self._seen_itself = False
        """True if the run itself looked before its last decision, an acquisition apart: no write of a former self lands now."""

    @workflow.run
    async def run(self, request: RawValue = NOTHING) -> PublishResult:
        """Publish; see the module."""
        self._asked = read_request(PublishRequest, request)
        acquires = self._asked.model_copy(update={"volume_context": {}})
        self._steps, seen = await Steps.begin(self._asked, acquires=acquires, rolls_back=True)
        self._hold = UnpersistedHold(self._steps, self._asked)
        self._acquisition = RecordAcquisition(self._steps)
        self._attach = BackendAttach(self._steps, self._asked)
        self._rollback = PublishRollback(self._steps, self._asked, self._hold, self._acquisition, self._attach)
        self._report = Report("publish", self._steps, self._asked.node_id)
        self._report.begin(State.PUBLISHING)
        try:
            if self._steps.lives.stopped is not None:
                raise self._steps.lives.stopped
            if self._steps.first.forgets:
                seen = await self._steps.look()  # NB: what memory has may be older than what was written, and forgotten
            written = await self._acquisition.finish()
            seen = _brought(written) if written else await self._admit(seen)
            result = await self._publish(seen, written.record if written and written.landed else None)
        except STOPPED as error:
            raise await self._failed(stopped(error)) from failed_step(error)
        self._report.end(State.ATTACHED)
        if not result.reclaimed:
            self._report.event(Reason.ATTACHED, f"Volume {result.volume_handle} is attached to node {result.node_id}.")
        return result

    async def _failed(self, error: BaseException) -> FailureError:
        record_not_attached(self._steps, self._asked.node_id, error)
        if (
            is_final(error)
            and not self._left_something()
            and not self._steps.first.forgets
            and (self._seen_itself or not was_reset())
        ):
            self._report.end(State.REFUSED)
            return ended(error, f"{self._what()} failed, and nothing of it was written")
        self._report.show(State.ROLLING_BACK, self._undoing(error))
        with suppress(asyncio.CancelledError):
            await to_the_end(self._rollback.roll_back())
        self._report.end(State.ROLLED_BACK)
        rolled_back = f"{self._what()} failed; it is rolled back, and nothing of it is left"
        self._report.event(Reason.ROLLED_BACK, f"{rolled_back}. The cause: {reason(error)}")
        return ended(error, rolled_back)

    def _undoing(self, error: BaseException) -> str:
        """Describe, for the run's details, what is undone, since when and why."""
        command = code(f"mooring explain {arguments(self._asked.volume_handle)}")
        since = f"{workflow.now():%Y-%m-%d %H:%M} UTC"
        return (
            f"{self._what()} failed: {reason(error)} It is being undone since {since}; {command} shows the step that it waits for."
        )

    async def _admit(self, seen: ReadResult) -> ReadResult:
        """Have a node that memory doubts confirmed before anything is written, and return the last look at the volume."""
        if self._steps.doubt:
            raise failure(Disputed(self._steps.doubt))
        if self._steps.node is NodeVerdict.ADMITTED:
            return seen
        needs_pv = self._steps.limits.reject_missing_pv
        if self._steps.node is NodeVerdict.FULL or (seen.record is None and needs_pv):
            seen = await self._steps.look()
        if seen.record is not None or not needs_pv:  # a volume that is missing is refused before a node that is
            await self._steps.check_node(self._asked.node_id, holds=self._holds(seen))
        return seen

    def _holds(self, seen: ReadResult) -> bool:
        waiting, node = self._steps.waiting, self._asked.node_id
        return is_named(seen, node) or (waiting is not None and waiting.attachment.node_id == node)

    async def _publish(self, seen: ReadResult, acquired: VolumeRecord | None) -> PublishResult:
        """Publish on this look, or on the record that has made the node a holder already."""
        while True:
            record, acquired = acquired or await self._become_holder(seen), None
            if record is None:
                result = await self._hold_without_pv()
                if result is not None:
                    return result
                seen = await self._steps.look()
                continue
            await watch_migration(self._steps, self._asked, record)
            context = None if (outlived := self._acquisition.outlived) else await self._attach.ask(record.epoch)
            if outlived or self._attach.outlived:
                seen = await self._steps.look()
                continue
            described = await self._describe(record, context)
            stop_if_cancelled()
            if described.record is not None and self._steps.is_current(described):
                return self._result(described.record)
            seen = await self._steps.look() if described.landed else _brought(described)

    async def _become_holder(self, seen: ReadResult) -> VolumeRecord | None:
        """Write the record that makes the node a holder and return it, or None if there is no PV to bear one."""
        for _ in range(self._steps.limits.conflicts_max):
            if await self._hold.others_wait():
                return None
            if seen.record is None:
                if await self._has_no_pv(seen):
                    return None
            elif (result := await self._acquire(seen.record, seen)) is not None:
                if result.landed:
                    return result.record
                seen = _brought(result)
                continue
            seen = await self._steps.look()
        raise failure(Contended(f"{self._what()} lost to another writer of the record {self._steps.limits.conflicts_max} times."))

    async def _has_no_pv(self, seen: ReadResult) -> bool:
        """Return whether to believe a look that found no PV; raise an error if another node may have the volume then."""
        self._seen_itself = self._steps.trusts(seen)
        if not (self._steps.trusts(seen) or self._is_undone_after(seen) or self._may_hold(seen)):
            return False
        self._refuse_in_doubt(seen)
        if self._steps.is_look_outlived:
            return False  # NB: a refusal may rely on what a former self was shown, as it is undone, and an attach may not
        await self._hold.learn_writers(seen)
        self._rollback.note_departed(seen)
        return True

    async def _acquire(self, record: VolumeRecord, seen: ReadResult) -> WriteResult | None:
        """Try to make the node a holder, or raise the refusal; return None if the run has to look itself before it refuses."""
        decision = self._decide(record)
        self._seen_itself = self._steps.trusts(seen) and isinstance(decision, fence.Refuse)
        if isinstance(decision, fence.Acquire):
            await self._hold.learn_writers(seen)
            # NB: in histories of before the first step made the write; today's has made it where it may be local.
            at_once = self._is_decided_on_the_index(seen) and fence.may_be_local(record)
            return await self._acquisition.make(decision, seen, self._hold.mine, at_once=at_once)
        if self._steps.trusts(seen) or self._left_something() or self._is_undone_after(seen):
            raise failure(decision.error)
        return None

    def _decide(self, seen: VolumeRecord) -> fence.Acquire | fence.Refuse:
        most = self._steps.limits.migration_nodes
        decision = fence.acquire(seen, self._asked, self._steps.operation, workflow.now(), migration_nodes=most)
        return heeding_history(decision, seen, self._asked)

    def _may_hold(self, seen: ReadResult) -> bool:
        """Return whether a look at a volume without a PV permits holding it."""
        return bool(seen.by) and not self._steps.limits.reject_missing_pv and not self._steps.is_look_outlived

    def _refuse_in_doubt(self, seen: ReadResult) -> None:
        """Raise an error if a volume without a PV may be attached to another node."""
        if seen.departed is not None:
            refusal = refusals.bar(seen.departed, self._asked, self._steps.operation)
            if refusal is not None:
                raise failure(refusal)
        for node_id, why in seen.unplaced.items():
            if node_id != self._asked.node_id:
                raise failure(Disputed(why))

    def _refuse_beside(self, seen: ReadResult) -> None:
        """Raise an error if the record, or without a PV the last known one, names a holder that excludes the node.

        NB: the hold that was found may be one that was over, and was revived by a reset whose origin Temporal has forgotten.
        """
        known = seen.record or seen.departed
        refusal = refusals.bar(known, self._asked, self._steps.operation) if known is not None else None
        self._seen_itself = self._steps.trusts(seen)
        if refusal is not None:
            raise failure(refusal)

    async def _describe(self, record: VolumeRecord, context: dict[str, str] | None) -> WriteResult:
        """Keep the backend's publish context with the record."""
        write = None
        if context is not None:
            write = fence.describe(record, self._asked.node_id, self._steps.operation, self._steps.volume, context)
        if write is None:
            return WriteResult(landed=True, record=record)
        result = await self._steps.record_at_once(write) if self._steps.first.undisturbed and not write.others else None
        return result or await self._steps.record(write)

    async def _hold_without_pv(self) -> PublishResult | None:
        """Hold the volume until it has a PV, or return None if it has got one meanwhile."""
        held = await self._hold.hold()
        if held is None:
            return None
        if held is self._hold.started and (await self._steps.look()).record is not None:
            await self._hold.drop()
            self._hold.started = None
            return None
        if held is self._hold.found and workflow.patched(_LOOKS_BESIDE_FOUND):
            self._refuse_beside(await self._steps.look())
        if self._steps.is_waiting_unknown:  # NB: a reset may have come after the hold has ended
            return None
        context = await self._attach.ask(0)
        stop_if_cancelled()
        if self._attach.outlived:
            return None
        if context is not None:
            attachment = held.attachment.model_copy(update={"publish_context": context})
            held = held.model_copy(update={"attachment": attachment})
        is_settled = await self._hold.settle(held)
        if self._attach.outlived:  # NB: an unpublish, or a rollback, detaches before it ends the hold
            return None
        return self._unpersisted(held.attachment) if is_settled else None

    def _is_decided_on_the_index(self, seen: ReadResult) -> bool:
        """Return whether nothing disturbs the operation, and a decision on this look is one on what memory had as it began."""
        return self._steps.first.undisturbed and not seen.by

    def _is_undone_after(self, seen: ReadResult) -> bool:
        """Return whether a refusal on this look is followed by a rollback in any case.

        NB: so the run must not hang on its own id there, as it does where it ends: a reset to the midst of the rollback replays it.
        """
        return bool(seen.by) and self._steps.first.forgets

    def _left_something(self) -> bool:
        return self._acquisition.may_land or self._attach.begun or self._hold.started is not None or self._hold.may_have_recorded

    def _unpersisted(self, held: Attachment) -> PublishResult:
        return PublishResult(
            driver=self._asked.driver,
            volume_handle=self._asked.volume_handle,
            node_id=self._asked.node_id,
            publish_context=held.publish_context,
            epoch=0,
            attached_at=held.attached_at,
            persisted=False,
            reclaimed=self._hold.started is None,
            message=f"{self._what()} is done; its record waits for the PersistentVolume to appear.",
        )

    def _result(self, record: VolumeRecord) -> PublishResult:
        held = next(held for held in record.everyone if held.node_id == self._asked.node_id)
        again = self._acquisition.renews
        return PublishResult(
            driver=self._asked.driver,
            volume_handle=self._asked.volume_handle,
            node_id=self._asked.node_id,
            publish_context=held.publish_context,
            epoch=record.epoch,
            attached_at=held.attached_at,
            persisted=True,
            reclaimed=again,
            message=f"{self._what()} is done at epoch {record.epoch}{'; the node held it already' if again else ''}.",
        )

    def _what(self) -> str:
        return f"Publishing volume {self._asked.volume_handle} to node {self._asked.node_id}"


def _brought(result: WriteResult) -> ReadResult:
    return ReadResult(record=result.record, by=result.by, departed=result.departed, unplaced=result.unplaced)

"""UnpublishVolume: take a volume from a node, or from all of them.

Contract: the backend detaches first, then the record is cleared; another node's attachment is never touched. It also succeeds
if nothing was attached, and has then moved the epoch, so that no earlier attempt to attach can still land. A record that
can't be cleared does not hold it up for ever: within the budget it ends in success with `annotation_cleared=False`, the
volume still fenced to its holder, and an Event.

If it is cancelled, it stops where it is, and another unpublish goes on from there.

Not kept here: the writes (mooring/records/fence.py), the backend's part (workflows/publication/detach.py), and the retries of a
step (workflows/common/steps.py).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from mooring.errors import Contended
    from mooring.events.reasons import Reason
    from mooring.models import (
        Attachment,
        ReadResult,
        UnpublishRequest,
        UnpublishResult,
        VolumeRecord,
        WarnInput,
        WriteResult,
    )
    from mooring.names import UNPUBLISH
    from mooring.records import fence
    from mooring.states import State
    from workflows.common.failures import STOPPED, ended, failed_step, failure, reason, stopped
    from workflows.common.payloads import NOTHING, read_request
    from workflows.common.report import Report
    from workflows.common.steps import Steps
    from workflows.publication.detach import BackendDetach


T = TypeVar("T")

_UNHEARD = "look for a release whose step has failed"
"""The patch since which a failed write is looked for on the PV before the record is said to be as it was."""


class _UnclearableError(Exception):
    """The record can't be read or cleared within the budget; `seen` is the last known one."""

    def __init__(self, why: str, seen: VolumeRecord | None) -> None:
        super().__init__(why)
        self.seen = seen


class _OvertakenError(Exception):
    """The volume is no longer as it was when its release was decided; `seen` is its last known record."""

    def __init__(self, why: str, seen: VolumeRecord | None) -> None:
        super().__init__(why)
        self.seen = seen


def _is_signed_by_looker(seen: ReadResult) -> bool:
    """Return whether the run that looked had written this record."""
    return bool(seen.by) and seen.record is not None and fence.is_current(seen.record, seen.by)


async def _clearing(step: Awaitable[T], seen: VolumeRecord | None) -> T:
    """Await a step without which the record isn't cleared."""
    try:
        return await step
    except ActivityError as error:
        if is_cancelled_exception(stopped(error)):
            raise
        raise _UnclearableError(reason(error), seen) from error


@workflow.defn(name=UNPUBLISH)
class UnpublishVolume:
    """The workflow with the id `volume/<driver>/<volume handle>`; takes an UnpublishRequest, returns an UnpublishResult."""

    def __init__(self) -> None:
        self._asked: UnpublishRequest
        self._steps: Steps
        self._report: Report
        self._released: dict[str, None] = {}
        self._detach: BackendDetach
        self._dropped: set[str] = set()
        """The runs whose wait for a PV this operation has ended."""
        self._forgot = False
        """True if the run has written the record already and doesn't remember it: its worker died in the first task."""

    @workflow.run
    async def run(self, request: RawValue = NOTHING) -> UnpublishResult:
        """Unpublish; see the module."""
        self._asked = read_request(UnpublishRequest, request)
        at_once = not (self._asked.stray or self._asked.at_run)
        releases = self._asked.node_id if at_once else None
        self._steps, seen = await Steps.begin(self._asked, releases=releases, at_epoch=self._asked.at_epoch)
        self._detach = BackendDetach(self._steps, self._asked)
        self._report = Report("unpublish", self._steps, self._asked.node_id)
        self._report.begin(State.UNPUBLISHING)
        try:
            result = await self._unpublish(seen)
        except STOPPED as error:
            self._report.end(State.NOT_DETACHED)
            raise ended(stopped(error), f"{self._what()} failed; the record is as it was, ask again") from failed_step(error)
        self._report.end(State.DETACHED if result.annotation_cleared else State.NOT_CLEARED)
        self._tell()
        return result

    async def _unpublish(self, seen: ReadResult) -> UnpublishResult:
        try:
            if self._asked.stray or (self._asked.at_epoch is not None and not self._is_made()):
                seen = await self._steps.look(self._steps.limits.clear_budget)  # NB: what can't be read may name the node
                if self._asked.stray and self._belongs(seen.record):
                    seen = await self._own(seen)
                if self._asked.stray and self._belongs(seen.record):
                    return self._leave(seen.record, "it is no stray")
            elif self._steps.first.forgets:
                seen = await self._look()  # NB: what memory has may be older than what was written, and forgotten
            return await self._clear(seen)
        except _OvertakenError as overtaken:
            return self._leave(overtaken.seen, str(overtaken))
        except _UnclearableError as unclearable:
            return await self._give_up(unclearable)

    def _is_made(self) -> bool:
        """Return whether the release was made with the first step, as far as the run remembers."""
        return self._steps.made is not None and not self._steps.first.forgets

    async def _clear(self, seen: ReadResult) -> UnpublishResult:
        for _ in range(self._steps.limits.conflicts_max):
            self._remember(seen)
            if self._overtaken(seen.record):
                seen = await self._own(seen)
            if self._overtaken(seen.record):
                raise _OvertakenError(f"its record is not at epoch {self._asked.at_epoch} any more", seen.record)
            tried = await self._try_to_clear(seen)
            if isinstance(tried, UnpublishResult):
                return tried
            seen = tried
        raise failure(Contended(f"{self._what()} lost to another writer of the record {self._steps.limits.conflicts_max} times."))

    async def _try_to_clear(self, seen: ReadResult) -> UnpublishResult | ReadResult:
        """Detach and release, or return the look that shows another record than the one this was decided on."""
        anew = self._steps.is_waiting_unknown  # NB: what is detached again after a reset must not hang on `trusts`
        others = await self._release_unpersisted()
        # NB: nor on the look of one that may have forgotten a release, which comes before it.
        if anew or (seen.record is None and (self._steps.first.forgets or not self._steps.trusts(seen))):
            seen = await self._look()
        outgrown = await self._detach.carry_out_or_look(seen)
        if outgrown is not None:
            return outgrown
        if seen.record is None and not self._steps.trusts(seen):
            return await self._look()
        if seen.record is None:
            self._released.update(dict.fromkeys(self._detach.leaving(seen.departed)))
            held = f"it is held by node {others.node_id}, whose record waits for a PersistentVolume" if others else ""
            return self._result(0, held or "it has no PersistentVolume")
        result = await self._release(seen.record)
        if result.record is not None and self._steps.is_current(result):
            return self._result(result.record.epoch, "")
        brought = ReadResult(record=result.record, by=result.by, departed=result.departed)
        return await self._look() if result.landed else brought

    def _remember(self, seen: ReadResult) -> None:
        """Note whether the record shows that the run has written it already; bound to an epoch, it has released its node then."""
        self._forgot = self._forgot or (self._steps.first.forgets and _is_signed_by_looker(seen))
        if self._forgot and self._asked.at_epoch is not None and self._asked.node_id:
            self._released[self._asked.node_id] = None

    async def _own(self, seen: ReadResult) -> ReadResult:
        """Return a look of this very run: if it was reset, its former self has seen this, and no run ends on that."""
        return seen if self._steps.trusts(seen) else await self._steps.look(self._steps.limits.clear_budget)

    async def _look(self) -> ReadResult:
        return await _clearing(self._steps.look(self._steps.limits.clear_budget), None)

    def _belongs(self, seen: VolumeRecord | None) -> bool:
        """Return whether a node that was taken for a stray may have the volume; without a record, that is unknown."""
        waiting = self._steps.waiting
        return (
            seen is None
            or bool(self._detach.leaving(seen))
            or (waiting is not None and waiting.attachment.node_id == self._asked.node_id)
        )

    def _overtaken(self, seen: VolumeRecord | None) -> bool:
        """Return whether the record is no longer the one on which the release was decided."""
        if self._asked.at_epoch is None or self._forgot:
            return False
        return seen is None or seen.epoch != self._asked.at_epoch

    def _leave(self, seen: VolumeRecord | None, why: str) -> UnpublishResult:
        return self._answer(seen.epoch if seen else 0, cleared=True, message=f"{self._what()} changed nothing: {why}.")

    async def _release(self, seen: VolumeRecord) -> WriteResult:
        try:
            result = await self._steps.finish(self._steps.release) or await self._write(seen)
        except ActivityError as error:
            result = await self._find_unheard(seen, error)
        if result.landed:
            self._released.update(dict.fromkeys(self._detach.leaving(seen)))
        if self._steps.is_current(result) and seen.unreadable:
            raise _UnclearableError(seen.unreadable[0], result.record)
        return result

    async def _find_unheard(self, seen: VolumeRecord, failed: ActivityError) -> WriteResult:
        """Return the write as the PV shows it, where its step failed for a killed worker; else raise `_UnclearableError`."""
        unclearable = _UnclearableError(reason(failed), seen)
        if is_cancelled_exception(stopped(failed)):
            raise failed
        if not workflow.patched(_UNHEARD):
            raise unclearable from failed
        try:
            found = await self._steps.look(self._steps.limits.attempt_timeout)
        except ActivityError as error:
            raise (error if is_cancelled_exception(stopped(error)) else unclearable) from None
        if not _is_signed_by_looker(found):
            raise unclearable from failed
        return WriteResult(landed=True, record=found.record, by=found.by)

    async def _write(self, seen: VolumeRecord) -> WriteResult:
        write = fence.release(seen, self._steps.volume, self._asked.node_id, self._steps.operation)
        result = await self._steps.release_at_once(write) if self._steps.first.undisturbed and fence.is_plain(seen) else None
        return result or await self._steps.release(write)

    async def _release_unpersisted(self) -> Attachment | None:
        """End the wait of an attachment to be released, or return one that goes on waiting for its PV."""
        waiting = self._steps.waiting = await self._steps.find_waiting() if self._steps.may_wait else None
        if self._asked.at_run not in ("", *self._dropped, waiting.run_id if waiting else ""):
            raise _OvertakenError(f"it doesn't wait for a PersistentVolume in run {self._asked.at_run} any more", None)
        if waiting is None:
            return None
        held = waiting.attachment
        if self._asked.node_id not in ("", held.node_id):
            return held
        self._steps.waiting = None
        await self._detach.ask(held.node_id, 0, recorded=True, needs_secrets=waiting.with_secrets)
        await self._steps.waits.drop_hold(waiting.run_id)
        self._dropped.add(waiting.run_id)
        self._released[held.node_id] = None
        return None

    async def _give_up(self, unclearable: _UnclearableError) -> UnpublishResult:
        """End in success all the same, once the backend has detached: an unclearable record must not hold up the unpublish."""
        seen = unclearable.seen
        await self._detach.carry_out(seen)
        warning = (
            f"{self._what()} is done, but its record could not be cleared, so the volume stays fenced to its holder: "
            f"{unclearable} Once the cause is corrected, unpublish it again."
        )
        await self._steps.warn_not_cleared(WarnInput(volume=self._steps.volume, record=seen, message=warning))
        return self._answer(seen.epoch if seen else 0, cleared=False, message=warning)

    def _result(self, epoch: int, why: str) -> UnpublishResult:
        return self._answer(epoch, cleared=True, message=f"{self._what()} is done at epoch {epoch}{self._unreleased(why)}.")

    def _unreleased(self, why: str) -> str:
        """Describe the reason why the operation knows of nothing that it released, "" if it knows of something."""
        if self._released:
            return ""
        if self._forgot:
            return "; a worker that died in the midst of it had released the record, so what was attached is not known"
        return "; no record knew of it" if self._asked.stray else f"; nothing was attached{f', {why}' if why else ''}"

    def _answer(self, epoch: int, *, cleared: bool, message: str) -> UnpublishResult:
        return UnpublishResult(
            driver=self._asked.driver,
            volume_handle=self._asked.volume_handle,
            node_id=self._asked.node_id,
            released=tuple(self._released),
            epoch=epoch,
            annotation_cleared=cleared,
            message=message,
        )

    def _what(self) -> str:
        where = f"node {self._asked.node_id}" if self._asked.node_id else "every node"
        return f"Unpublishing volume {self._asked.volume_handle} from {where}"

    def _tell(self) -> None:
        stale = self._asked.bound
        volume = self._asked.volume_handle
        for node in sorted(self._detach.nodes) if self._asked.stray else self._released:
            if stale:
                note = f"Volume {volume} was still attached to node {node}, which should no longer have it; it is released."
                self._report.event(Reason.STALE_ATTACHMENT_RELEASED, note, node)
            else:
                self._report.event(Reason.DETACHED, f"Volume {volume} is detached from node {node}.", node)

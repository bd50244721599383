"""The wait for a volume's PV on which an attachment has its place, as far as one attempt of an activity waits.

Contract: it looks when the index has changed, and otherwise once a minute. An obstacle on the PV is reported by a failed attempt,
which costs no history: soon after it was seen, and each minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from temporalio import activity

from activities.attempt import to_failure
from activities.polling import poll
from mooring.errors import VolumeAwaited
from mooring.evidence.asker import AskingRun
from mooring.models import PublishRequest
from mooring.names import PERSIST
from mooring.records.refusals import bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from mooring.evidence.evidence import EvidenceReader
    from mooring.index.manager import AttachmentManager
    from mooring.models import PersistInput, VolumeRecord
    from mooring.records.compact import CompactRecord
    from mooring.records.store import RecordStore

_AGAIN: Final = timedelta(minutes=1)
"""Time until a volume is looked at again that is held off, and has no share of this worker's slots."""

Gist: TypeAlias = tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class Appearance:
    """A look at one volume, again and again, until `waiting` has its place on its PV. `by`: the run that asks.

    `is_crowded`: more volumes than their share of this worker's slots are waited for.
    """

    waiting: PersistInput
    by: str
    manager: AttachmentManager
    volumes: RecordStore
    evidence: EvidenceReader
    is_crowded: Callable[[], bool]

    async def record(self) -> VolumeRecord:
        """Return the record with what is known beyond it, once it shows no obstacle."""
        while True:
            before = self.manager.entries(self._handle)
            has_changed = self._change_since(before)
            record = await self._look(before)
            if record is None:
                await poll(has_changed, _awaited(f"Volume {self._handle} has no PersistentVolume yet."))
            elif (obstacle := bar(record, self._asked, self.by)) is not None:
                await self._outwait(_awaited(obstacle), has_changed)
            else:
                return record

    async def _outwait(self, obstacle: VolumeAwaited, has_changed: Callable[[], bool]) -> None:
        """Return once the index shows a change; raise the obstacle where it is to be reported first."""
        if self.is_crowded():
            raise to_failure(obstacle, patient=True, again=_AGAIN)
        if activity.info().attempt == 1:
            raise obstacle
        await poll(has_changed, obstacle)
        if not has_changed():
            raise obstacle

    async def _look(self, before: tuple[CompactRecord, ...]) -> VolumeRecord | None:
        pvs = self.manager.pvs(self._handle)
        record = await self.volumes.read(self._handle, pvs)
        if record is None:
            return None
        asking = AskingRun(self.by, PERSIST)
        known = (await self.evidence.look_found(self._handle, before, pvs, record, asking)).record
        return known and await self.evidence.as_settled(self._handle, record, known, self.waiting.attachment.node_id, asking)

    def _change_since(self, before: tuple[CompactRecord, ...]) -> Callable[[], bool]:
        seen = _gist(before)
        return lambda: _gist(self.manager.entries(self._handle)) != seen

    @property
    def _asked(self) -> PublishRequest:
        return PublishRequest.of(self.waiting.volume, self.waiting.attachment)

    @property
    def _handle(self) -> str:
        return self.waiting.volume.volume_handle


def _awaited(why: object) -> VolumeAwaited:
    return VolumeAwaited(f"{why} It is checked again.")


def _gist(entries: tuple[CompactRecord, ...]) -> Gist:
    """Return what the PVs say of who is in the way, without what each look finds otherwise: a time that can't be read is now."""
    return tuple((seen.uid, seen.epoch, seen.listed, seen.problem, seen.beside) for seen in entries)

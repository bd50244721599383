"""Volumes without Kubernetes, for trials and tests: the same store, kept in this process and gone with it.

Contract: that of `RecordStore`. A volume is created when it is first read, as a PV named like its handle without annotations, and
is never removed. Several workers in one process may share a `MemoryStore`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from mooring.models import Precondition, VolumeRecord, Write, WriteResult
from mooring.process.metrics import Metrics
from mooring.records import fence
from mooring.records.compact import CompactRecord
from mooring.records.store import Change, ChangeKind, Page

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _KeptRecord:
    revision: int
    record: VolumeRecord


class MemoryStore:
    """The volumes of one driver, in memory.

    `new_uid` makes the uids of PVs; a test may pass its own. A watch reports every `bookmark` seconds that it is alive.
    """

    def __init__(self, metrics: Metrics, new_uid: Callable[[], str] = lambda: str(uuid4()), bookmark: float = 30.0) -> None:
        self._metrics = metrics
        self._bookmark = bookmark
        self._new_uid = new_uid
        self._kept: dict[str, _KeptRecord] = {}
        """Records by revision: the one that changed last is last."""
        self._revision = 0
        self._changed = asyncio.Event()

    async def read(
        self,
        volume_handle: str,
        known: Mapping[str, str] = _NONE,  # noqa: ARG002 - found without a hint
        more: Iterable[str] = (),  # noqa: ARG002
    ) -> VolumeRecord | None:
        """See `RecordStore`; there always is a PV."""
        if volume_handle not in self._kept:
            self._keep(volume_handle, VolumeRecord(mark=Precondition(pv=volume_handle, uid=self._new_uid(), bare=True)))
        return self._kept[volume_handle].record

    async def compare_and_set(self, write: Write) -> WriteResult:
        """See `RecordStore`."""
        handle = write.volume.volume_handle
        kept = self._kept.get(handle)
        if kept is None or kept.record.mark != write.mark:
            landed = kept is not None and fence.landed(write, kept.record)
            if not landed:
                self._metrics.conflict()
            return WriteResult(landed=landed, record=kept.record if kept else None)
        self._keep(handle, _written(write))
        return WriteResult(landed=True, record=self._kept[handle].record)

    async def pages(self, page_size: int) -> AsyncGenerator[Page]:
        """See `RecordStore`."""
        revision, records = str(self._revision), [CompactRecord.of(handle, kept.record) for handle, kept in self._kept.items()]
        for begin in range(0, max(1, len(records)), page_size):
            yield Page(revision, begin == 0, records[begin : begin + page_size])

    async def watch(self, resource_version: str) -> AsyncGenerator[Change]:
        """See `RecordStore`; nothing is ever forgotten."""
        since = int(resource_version)
        while True:
            yield Change(ChangeKind.ALIVE)
            changed = self._changed
            news = list(takewhile(lambda item: item[1].revision > since, reversed(self._kept.items())))  # noqa: B023 - at once
            since = self._revision
            for handle, kept in reversed(news):
                yield Change(ChangeKind.SEEN, CompactRecord.of(handle, kept.record))
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), self._bookmark)

    def _keep(self, handle: str, record: VolumeRecord) -> None:
        self._revision += 1
        self._kept.pop(handle, None)
        self._kept[handle] = _KeptRecord(self._revision, record)
        self._changed.set()
        self._changed = asyncio.Event()


def _written(write: Write) -> VolumeRecord:
    node = write.holders[0].node_id if write.holders else None
    mark = Precondition(pv=write.mark.pv, uid=write.mark.uid, epoch=write.epoch, node=node)
    return VolumeRecord(mark=mark, operation=write.operation, holders=write.holders)

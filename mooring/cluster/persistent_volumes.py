"""The store of records on PersistentVolumes, and the one door to these: read, compare-and-set, list, watch.

Contract: that of `RecordStore`. Invariants: no annotation but the driver's own is touched; a write is one request a PV, with no
read before it.

Not kept here: any state (mooring/index/manager.py), and the meaning of records and their transitions (mooring/records/).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from mooring.cluster.pv_search import PvSearch
from mooring.cluster.record_reader import RecordReader
from mooring.errors import KubernetesRejected, MalformedRecord, MooringError, RecordAltered, RecordTooLarge
from mooring.kubernetes.api import Gone, KubernetesApi, NotFound, Refused, Request
from mooring.kubernetes.list_watch import ListWatch, WatchEvent, decode, log_interruption
from mooring.kubernetes.pv_objects import PERSISTENT_VOLUMES, PV, PVS, Pv, handle
from mooring.models import Part, Skip, VolumeRecord, Write, WriteResult
from mooring.process.metrics import Metrics
from mooring.process.words import counted
from mooring.records import fence
from mooring.records.annotations import ALL_BYTES, patch, size
from mooring.records.annotations import read as read_record
from mooring.records.copies import merge
from mooring.records.store import Change, ChangeKind, HistoryGone, Page

FIELD_MANAGER: Final = "mooring"
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class PersistentVolumeStore:
    """The volumes of one driver on an API server.

    `now` is UTC; `learn` is given each PV that a read or write returns; the rest is as of `ListWatch`.
    """

    def __init__(
        self,
        api: KubernetesApi,
        driver: str,
        now: Callable[[], datetime],
        metrics: Metrics,
        *,
        learn: Callable[[Pv], None] = lambda _: None,
        page_size: int = 500,
        watch_time: float = 300,
        watch_silence: float = 150,
        interrupted: Callable[[str], None] = log_interruption,
    ) -> None:
        self._api = api
        self._driver = driver
        self._now = now
        self._metrics = metrics
        self._learn = learn
        self._reader = RecordReader(driver, now)
        self._pvs = ListWatch(
            api,
            PERSISTENT_VOLUMES,
            metrics.reconnected,
            watch_time=watch_time,
            watch_silence=watch_silence,
            interrupted=interrupted,
        )
        self._search = PvSearch(driver, lambda what: self._pvs.pages(what, page_size))

    async def read(self, volume_handle: str, known: Mapping[str, str] = _NONE, more: Iterable[str] = ()) -> VolumeRecord | None:
        """See `RecordStore`."""
        found = await self._named(volume_handle, (*known, *more))
        if not any(known.get(pv.metadata.name) == pv.metadata.uid for pv in found):
            found = _latest(found, await self._search.find(volume_handle))
        return self._records(found) if found else None

    async def compare_and_set(self, write: Write) -> WriteResult:
        """See `RecordStore`."""
        written: list[VolumeRecord] = []
        for part in write.parts:
            try:
                record = await self._set(write, part)
                if record is None:
                    self._metrics.conflict()
                    return WriteResult(landed=False, record=await self._read_again(write))
            except MooringError as error:
                error.landed_in_part = bool(written)
                raise
            written.append(record)
        return WriteResult(landed=True, record=merge(written))

    async def pages(self, page_size: int) -> AsyncGenerator[Page]:
        """See `RecordStore`."""
        async with aclosing(self._pvs.pages("list PersistentVolumes", page_size)) as pages:
            async for listed, first in pages:
                for page in self._reader.pages(listed, first=first):
                    yield page

    async def watch(self, resource_version: str) -> AsyncGenerator[Change]:
        """See `RecordStore`."""
        try:
            async with aclosing(self._pvs.watch(resource_version)) as events:
                async for event in events:
                    yield self._change(event)
        except Gone as gone:
            raise HistoryGone(str(gone)) from None

    async def _set(self, write: Write, part: Part) -> VolumeRecord | None:
        """Make the write on one PV and return its record, or None if the PV is no longer as its mark says."""
        mark = part.mark
        nodes = f"node {write.node_id}" if write.node_id else "every node"
        what = f"write the record of volume {write.volume.volume_handle} for {nodes} on PersistentVolume {mark.pv}"
        request = Request(what, "PATCH", _path(mark.pv), {"fieldManager": FIELD_MANAGER}, patch(write, part))
        try:
            answer = await self._api.request(request)
        except (Refused, NotFound) as refusal:
            return await self._refused(write, part, refusal)
        record = self._record(self._decoded(request, answer))
        if not fence.made(write, part, record):
            raise RecordAltered(f"Could not {what}: the API server stored something else, as an admission webhook may do.")
        return record

    async def _refused(self, write: Write, part: Part, refusal: Exception) -> VolumeRecord | None:
        """Return what the write made on the PV after all."""
        pv = await self._get(write.volume.volume_handle, part.mark.pv)
        found = None if pv is None or pv.metadata.uid != part.mark.uid else self._record(pv)
        if found is not None and fence.made(write, part, found):
            return found
        if found is not None and found.mark == part.mark:
            _refuse_what_is_too_large(write, part, pv)
            raise KubernetesRejected(f"{refusal} The record is as expected, so the write itself was refused.")
        return None

    async def _read_again(self, write: Write) -> VolumeRecord | None:
        return await self.read(write.volume.volume_handle, {part.mark.pv: part.mark.uid for part in write.parts})

    async def _named(self, volume_handle: str, names: Iterable[str]) -> list[Pv]:
        """Read the volume's PVs with these names, and those that bear the record too according to these."""
        read: dict[str, Pv | None] = {}
        due = list(names)
        while due:
            name = due.pop()
            if name not in read:
                pv = await self._get(volume_handle, name)
                read[name] = pv if pv is not None and self._claims(pv, volume_handle) else None
                due += self._beside(read[name])
        return [pv for pv in read.values() if pv is not None]

    def _beside(self, pv: Pv | None) -> tuple[str, ...]:
        try:
            return self._record(pv).beside if pv is not None else ()
        except MalformedRecord:
            return ()

    async def _get(self, volume_handle: str, pv: str) -> Pv | None:
        request = Request(f"read volume {volume_handle} from PersistentVolume {pv}", "GET", _path(pv))
        try:
            return self._decoded(request, await self._api.request(request))
        except NotFound:
            return None

    def _decoded(self, request: Request, answer: bytes) -> Pv:
        pv = decode(PV, request, answer)
        self._learn(pv)
        return pv

    def _change(self, event: WatchEvent[Pv] | None) -> Change:
        look = Skip.NOT_CSI if event is None or event.type == "BOOKMARK" else self._reader.look(event.object)
        if event is None or isinstance(look, Skip):
            return Change(ChangeKind.ALIVE)
        return Change(ChangeKind.GONE if event.type == "DELETED" else ChangeKind.SEEN, *look)

    def _claims(self, pv: Pv, volume_handle: str) -> bool:
        return handle(self._driver, pv) == volume_handle

    def _records(self, pvs: list[Pv]) -> VolumeRecord:
        records, unreadable = list[VolumeRecord](), list[MalformedRecord]()
        for pv in pvs:
            try:
                records.append(self._record(pv))
            except MalformedRecord as error:
                unreadable.append(error)
        if not records:
            raise unreadable[0]
        return merge(records, [str(error).removesuffix(error.advice).rstrip() for error in unreadable])

    def _record(self, pv: Pv) -> VolumeRecord:
        meta = pv.metadata
        return read_record(self._driver, meta.name, meta.uid, meta.annotations, self._now()).record


def _latest(read: Iterable[Pv], listed: Iterable[Pv]) -> list[Pv]:
    """Return the PVs that were read or listed; of one name the listed one, as the list is later."""
    return [*{pv.metadata.name: pv for pv in (*read, *listed)}.values()]


def _path(pv: str) -> str:
    return f"{PVS}/{quote(pv, safe='')}"


def _refuse_what_is_too_large(write: Write, part: Part, pv: Pv | None) -> None:
    needed = size(write, part, (pv.metadata.annotations if pv else None) or {})
    if needed > ALL_BYTES:
        holders = counted(len(part.holders), "holder")
        who = f"volume {write.volume.volume_handle} with {holders}, node {write.node_id or '(every)'} among them,"
        whole = (
            f"would grow the annotations of PersistentVolume {part.mark.pv} to {needed} bytes, and Kubernetes allows {ALL_BYTES}"
        )
        raise RecordTooLarge(f"The record of {who} {whole}.")

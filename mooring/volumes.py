"""The one door to PersistentVolumes: read, compare-and-set, list, watch.

Contract: a `Volumes` serves one driver. What it reads is live; a write is applied if and only if the PV still is as its mark
says. After an error a write may still land, and the same write may be made again: it is recognised by its operation.

Invariants: no annotation but the driver's own is touched; a write is one request, with no read before it.

Not kept here: any state (manager.py), the schema (annotations.py), the decisions (fence.py).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import quote

from mooring import fence
from mooring.annotations import patch
from mooring.annotations import read as read_record
from mooring.apiserver import Ask, KubernetesApi, NotFound, Refused
from mooring.collection import Collection, Event, Kind, decoded
from mooring.errors import KubernetesRejected, RecordAltered
from mooring.metrics import Metrics
from mooring.models import VolumeRecord, Write, WriteResult
from mooring.pv_search import PvSearch
from mooring.views import Change, ChangeKind, Page, Skip, refuse_duplicates
from mooring.wire import PV, PV_EVENT, Pv, PvLists, Sighter

PVS: Final = "/api/v1/persistentvolumes"
FIELD_MANAGER: Final = "mooring"


class Volumes(Protocol):
    """Where the records of one driver's volumes are kept."""

    async def read(self, volume_handle: str, pv: str | None = None) -> VolumeRecord | None:
        """What the volume's PV says now; None where there is no PV. `pv` is the name it probably has, which saves a
        list; that another PV claims the handle too goes unnoticed then.

        Raises:
            DuplicateVolume: several PVs claim the handle.
            MalformedRecord: the record can't be read.
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server did not say.

        """

    async def compare_and_set(self, write: Write) -> WriteResult:
        """Make the write if the PV still is as its mark says; if not, say what the PV says instead (None: it is gone).

        Raises:
            KubernetesRejected: the record had not changed; the API server refuses the write itself.
            What `read` raises. After KubernetesUnavailable the write may have landed, or land later.

        """

    def pages(self, page_size: int) -> AsyncGenerator[Page]:
        """All PVs as of one moment, at most `page_size` at a time; a list that had to begin anew says so (`Page.first`)."""

    def watch(self, resource_version: str) -> AsyncGenerator[Change]:
        """What happens to PVs after a list's `resource_version`, without end and without gaps; it reconnects by itself.

        Raises:
            HistoryGone: what happened since then is no longer known.

        """


class KubernetesVolumes:
    """The volumes of one driver on an API server.

    `now` is UTC; `learn` is shown each PV that a read or write brings; `watch_time` and `watch_silence` are those of `Collection`.
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
    ) -> None:
        self._api = api
        self._driver = driver
        self._now = now
        self._metrics = metrics
        self._learn = learn
        self._sighter = Sighter(driver, now)
        kind = Kind("PersistentVolumes", PVS, PvLists(), PV_EVENT, compact=True)
        self._pvs = Collection(api, kind, metrics.reconnected, watch_time=watch_time, watch_silence=watch_silence)
        self._search = PvSearch(driver, lambda what: self._pvs.pages(what, page_size))

    async def read(self, volume_handle: str, pv: str | None = None) -> VolumeRecord | None:
        """See `Volumes`."""
        named = await self._get(volume_handle, pv) if pv else None
        if named is not None and self._claims(named, volume_handle):
            return self._record(named)
        found = await self._search.find(volume_handle)
        refuse_duplicates(volume_handle, [item.metadata.name for item in found])
        return self._record(found[0]) if found else None

    async def compare_and_set(self, write: Write) -> WriteResult:
        """See `Volumes`."""
        nodes = f"node {write.node_id}" if write.node_id else "every node"
        what = f"write the record of volume {write.volume.volume_handle} for {nodes} on PersistentVolume {write.mark.pv}"
        ask = Ask(what, "PATCH", _path(write.mark.pv), {"fieldManager": FIELD_MANAGER}, patch(write))
        try:
            answer = await self._api.request(ask)
        except (Refused, NotFound) as refusal:
            return await self._refused(write, refusal)
        record = self._record(self._decoded(ask, answer))
        if not fence.landed(write, record):
            raise RecordAltered(f"Could not {what}: the API server stored something else, as an admission webhook may do.")
        return WriteResult(landed=True, record=record)

    async def pages(self, page_size: int) -> AsyncGenerator[Page]:
        """See `Volumes`."""
        async with aclosing(self._pvs.pages("list PersistentVolumes", page_size)) as pages:
            async for listed, first in pages:
                for page in self._sighter.pages(listed, first=first):
                    yield page

    async def watch(self, resource_version: str) -> AsyncGenerator[Change]:
        """See `Volumes`."""
        async with aclosing(self._pvs.watch(resource_version)) as events:
            async for event in events:
                yield self._change(event)

    async def _refused(self, write: Write, refusal: Exception) -> WriteResult:
        found = await self.read(write.volume.volume_handle, write.mark.pv)
        if found is not None and fence.landed(write, found):
            return WriteResult(landed=True, record=found)
        if found is not None and found.mark == write.mark:
            raise KubernetesRejected(f"{refusal} The record is as it was expected, so the write itself was refused.")
        self._metrics.conflict()
        return WriteResult(landed=False, record=found)

    async def _get(self, volume_handle: str, pv: str) -> Pv | None:
        ask = Ask(f"read volume {volume_handle} from PersistentVolume {pv}", "GET", _path(pv))
        try:
            return self._decoded(ask, await self._api.request(ask))
        except NotFound:
            return None

    def _decoded(self, ask: Ask, answer: bytes) -> Pv:
        pv = decoded(PV, ask, answer)
        self._learn(pv)
        return pv

    def _change(self, event: Event[Pv] | None) -> Change:
        look = Skip.NOT_CSI if event is None or event.type == "BOOKMARK" else self._sighter.look(event.object)
        if event is None or isinstance(look, Skip):
            return Change(ChangeKind.ALIVE)
        return Change(ChangeKind.GONE if event.type == "DELETED" else ChangeKind.SEEN, *look)

    def _claims(self, pv: Pv, volume_handle: str) -> bool:
        csi = pv.spec.csi
        return csi is not None and (csi.driver, csi.volume_handle) == (self._driver, volume_handle)

    def _record(self, pv: Pv) -> VolumeRecord:
        meta = pv.metadata
        return read_record(self._driver, meta.name, meta.uid, meta.annotations, self._now()).record


def _path(pv: str) -> str:
    return f"{PVS}/{quote(pv, safe='')}"

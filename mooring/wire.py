"""The PersistentVolume as the API server sends it: of its fields those that Mooring needs, and nothing else is decoded.

Contract: a `Pv` of this driver becomes a `Sighting`; what is no such PV is told by `Skip`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

import msgspec

from mooring import kube_pb2, protobuf
from mooring.annotations import Keys
from mooring.collection import Event, Listed, ListMetadata, ListPage
from mooring.sighting import Sighting, sight
from mooring.views import Page, Skip

AT_ONCE: Final = 100
"""PVs that are looked at in one go, which takes about a millisecond."""


class SecretRef(msgspec.Struct, gc=False):
    """A Secret, of which nothing matters but that there is one."""


class Csi(msgspec.Struct, rename="camel", gc=False):
    """A PV's CSI source."""

    driver: str = ""
    volume_handle: str = ""
    controller_publish_secret_ref: SecretRef | None = None


class Claim(msgspec.Struct, gc=False):
    """The PersistentVolumeClaim that a PV is bound to."""

    namespace: str = ""
    name: str = ""
    uid: str = ""


class Spec(msgspec.Struct, rename="camel", gc=False):
    """A PV's specification. `claim_ref` is not decoded from protobuf."""

    csi: Csi | None = None
    claim_ref: Claim | None = None


class Metadata(msgspec.Struct, rename="camel", gc=False):
    """A PV's metadata."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    annotations: Mapping[str, str] | None = None


class Pv(msgspec.Struct, gc=False):
    """A PersistentVolume."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: Spec = msgspec.field(default_factory=Spec)


PV: Final = msgspec.json.Decoder(Pv)
PV_EVENT: Final = msgspec.json.Decoder(Event[Pv])
JSON_LIST: Final = msgspec.json.Decoder(Listed[Pv])


@dataclass(frozen=True, slots=True)
class PvList:
    """A page of a list, in protobuf; each PV is decoded when it is its turn."""

    metadata: ListMetadata
    items: Iterator[Pv]


class PvLists:
    """Reads a page of a list, in protobuf or JSON."""

    def decode(self, body: bytes) -> ListPage[Pv]:
        """The page; msgspec.DecodeError where the body is something else."""
        if not protobuf.is_protobuf(body):
            return JSON_LIST.decode(body)
        metadata, items = protobuf.listed(body)
        meta = protobuf.parsed(kube_pb2.ListMeta, metadata)
        return PvList(ListMetadata(meta.resource_version, meta.next), map(_pv, items))


def _pv(sent: memoryview) -> Pv:
    pv = protobuf.parsed(kube_pb2.PersistentVolume, sent)
    meta, source = pv.metadata, pv.spec.source
    csi = Csi(source.csi.driver, source.csi.volume_handle) if source.HasField("csi") else None
    if csi is not None and source.csi.HasField("controller_publish_secret_ref"):
        csi.controller_publish_secret_ref = SecretRef()
    # NB: the annotations stay what protobuf made them: to copy all for the sake of a few takes longer than the rest.
    return Pv(Metadata(meta.name, meta.uid, meta.resource_version, meta.annotations), Spec(csi))


class Sighter:
    """Makes sightings of one driver's PVs. `now` gives the time that stands in for unreadable ones."""

    def __init__(self, driver: str, now: Callable[[], datetime]) -> None:
        self._driver = driver
        self._keys = Keys.of(driver)
        self._now = now

    def look(self, pv: Pv) -> tuple[Sighting, int] | Skip:
        """What the PV says and how many of its times were replaced, or why it is none of this driver's volumes."""
        csi = pv.spec.csi
        if csi is None:
            return Skip.NOT_CSI
        if csi.driver != self._driver:
            return Skip.OTHER_DRIVER
        if not csi.volume_handle:
            return Skip.NO_VOLUME_HANDLE
        meta = pv.metadata
        seen, replaced = sight(self._driver, self._keys, csi.volume_handle, meta.name, meta.uid, meta.annotations, self._now())
        return seen.secretive() if csi.controller_publish_secret_ref is not None else seen, replaced

    def pages(self, listed: ListPage[Pv], *, first: bool) -> Iterator[Page]:
        """What a page of a list says, `AT_ONCE` PVs at a time, so that others may run in between."""
        items = iter(listed.items)
        while (part := list(islice(items, AT_ONCE))) or first:
            yield self._page(listed.metadata.resource_version, part, first=first)
            first = False

    def _page(self, resource_version: str, pvs: list[Pv], *, first: bool) -> Page:
        sightings: list[Sighting] = []
        skipped: Counter[str] = Counter()
        replaced_times = 0
        for pv in pvs:
            look = self.look(pv)
            if isinstance(look, Skip):
                skipped[look] += 1
                continue
            sightings.append(look[0])
            replaced_times += look[1]
            if look[0].problem:
                skipped[Skip.MALFORMED] += 1
        return Page(resource_version, first, sightings, skipped, replaced_times)

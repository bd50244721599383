"""The PersistentVolume as the API server sends it: of its fields those that Mooring needs, and nothing else is decoded.

Contract: a `Pv` of this driver becomes a `Sighting`; what is no such PV is told by `Skip`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final

import msgspec

from mooring import intree, kube_pb2, protobuf
from mooring.annotations import Keys
from mooring.collection import Event, Listed, ListMetadata, ListPage
from mooring.errors import UntranslatableVolume
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
    read_only: bool = False
    controller_publish_secret_ref: SecretRef | None = None


class Claim(msgspec.Struct, gc=False):
    """The PersistentVolumeClaim that a PV is bound to."""

    namespace: str = ""
    name: str = ""
    uid: str = ""


class Spec(intree.Sources, rename="camel", gc=False):
    """A PV's specification. From protobuf only what places it is decoded: neither `claim_ref` of a CSI PV nor `access_modes`."""

    csi: Csi | None = None
    claim_ref: Claim | None = None
    access_modes: list[str] | None = None


class Metadata(msgspec.Struct, rename="camel", gc=False):
    """A PV's metadata."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    annotations: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
    """From protobuf those of a PV without a CSI source."""


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
    # NB: the annotations stay what protobuf made them: to copy all for the sake of a few takes longer than the rest.
    metadata = Metadata(meta.name, meta.uid, meta.resource_version, meta.annotations)
    if source.HasField("csi"):
        csi = Csi(source.csi.driver, source.csi.volume_handle)
        if source.csi.HasField("controller_publish_secret_ref"):
            csi.controller_publish_secret_ref = SecretRef()
        return Pv(metadata, Spec(csi=csi))
    other = protobuf.parsed(kube_pb2.InTreePersistentVolume, sent)
    metadata.labels = other.metadata.labels
    return Pv(metadata, _in_tree(other.spec))


def _in_tree(spec: kube_pb2.InTreeSpec) -> Spec:
    made, source = Spec(claim_ref=Claim(spec.claim_ref.namespace)), spec.source
    if source.HasField("gce_persistent_disk"):
        made.gce_persistent_disk = intree.GceDisk(source.gce_persistent_disk.pd_name)
    if source.HasField("aws_elastic_block_store"):
        made.aws_elastic_block_store = intree.AwsDisk(source.aws_elastic_block_store.volume_id)
    if source.HasField("cinder"):
        made.cinder = intree.CinderDisk(source.cinder.volume_id)
    if source.HasField("vsphere_volume"):
        made.vsphere_volume = intree.VsphereDisk(source.vsphere_volume.volume_path)
    if source.HasField("azure_disk"):
        disk = source.azure_disk
        made.azure_disk = intree.AzureDisk(disk.disk_uri, disk.kind if disk.HasField("kind") else None)
    if source.HasField("azure_file"):
        file = source.azure_file
        namespace = file.secret_namespace if file.HasField("secret_namespace") else None
        made.azure_file = intree.AzureFile(file.secret_name, file.share_name, namespace)
    return made


def handle(driver: str, pv: Pv) -> str | Skip:
    """Return the volume handle that the PV has for this driver, or why it is none of the driver's volumes."""
    csi = pv.spec.csi
    if csi is not None:
        return (csi.volume_handle or Skip.NO_VOLUME_HANDLE) if csi.driver == driver else Skip.OTHER_DRIVER
    try:
        return _translated(driver, pv) or Skip.NOT_CSI
    except intree.Untranslatable:
        return Skip.UNTRANSLATABLE


def untranslatable(driver: str, pv: Pv) -> UntranslatableVolume | None:
    """Return what keeps the PV from being a volume of the driver that serves its in-tree source; None where nothing does."""
    try:
        _translated(driver, pv)
    except intree.Untranslatable as error:
        return UntranslatableVolume(f"PersistentVolume {pv.metadata.name} is no volume of driver {driver}: {error}.")
    return None


def _translated(driver: str, pv: Pv) -> str:
    """Return the handle of a PV whose in-tree source the driver serves, "" where it has no such source."""
    source = intree.source(driver, pv.spec)
    if source is None:
        return ""
    meta, claim = pv.metadata, pv.spec.claim_ref
    return intree.translate(
        source, intree.About(meta.name, meta.labels or {}, meta.annotations or {}, claim.namespace if claim else "")
    )


def is_readonly(driver: str, pv: Pv) -> bool:
    """Whether external-attacher asks for the volume readonly, where it may."""
    if pv.spec.csi is not None:
        return pv.spec.csi.read_only
    source = intree.source(driver, pv.spec)
    return source is not None and bool(source.read_only)


def access_modes(pv: Pv) -> list[str]:
    """Return the access modes from which external-attacher derives the one that it asks for."""
    modes = pv.spec.access_modes or []
    return modes if pv.spec.gce_persistent_disk is None else intree.gce_access_modes(modes)


class Sighter:
    """Makes sightings of one driver's PVs. `now` gives the time that stands in for unreadable ones."""

    def __init__(self, driver: str, now: Callable[[], datetime]) -> None:
        self._driver = driver
        self._keys = Keys.of(driver)
        self._now = now

    def look(self, pv: Pv) -> tuple[Sighting, int] | Skip:
        """What the PV says and how many of its times were replaced, or why it is none of this driver's volumes."""
        found = handle(self._driver, pv)
        if isinstance(found, Skip):
            return found
        meta = pv.metadata
        seen, replaced = sight(self._driver, self._keys, found, meta.name, meta.uid, meta.annotations, self._now())
        if (csi := pv.spec.csi) is None:
            return msgspec.structs.replace(seen, in_tree=True), replaced
        return seen.secretive() if csi.controller_publish_secret_ref is not None else seen, replaced

    def pages(self, listed: ListPage[Pv], *, first: bool) -> Iterator[Page]:
        """What a page of a list says, `AT_ONCE` PVs at a time, so that others may run in between."""
        items = iter(listed.items)
        while (part := list(islice(items, AT_ONCE))) or first:
            yield self._page(listed.metadata.resource_version, part, first=first)
            first = False

    def _page(self, resource_version: str, pvs: list[Pv], *, first: bool) -> Page:
        page = Page(resource_version, first)
        replaced_times = 0
        for pv in pvs:
            look = self.look(pv)
            if isinstance(look, Skip):
                page.skipped[look] += 1
                page.untranslatable.extend(
                    filter(None, [untranslatable(self._driver, pv) if look is Skip.UNTRANSLATABLE else None])
                )
                continue
            page.sightings.append(look[0])
            replaced_times += look[1]
            if look[0].problem:
                page.skipped[Skip.MALFORMED] += 1
        return replace(page, replaced_times=replaced_times)

"""The PersistentVolume as the API server sends it: of its fields those that Mooring needs, and nothing else is decoded.

Contract: a `Pv` of this driver becomes a `CompactRecord`; for any other, `Skip` gives the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from mooring.errors import UntranslatableVolume
from mooring.kubernetes import in_tree, kube_pb2, protobuf
from mooring.kubernetes.list_watch import Listed, ListMetadata, ListPage, ResourceKind, WatchEvent
from mooring.kubernetes.metadata import Metadata
from mooring.models import Skip

PVS: Final = "/api/v1/persistentvolumes"


class SecretRef(msgspec.Struct, gc=False):
    """A Secret, of which only the existence matters."""


class Csi(msgspec.Struct, rename="camel", gc=False):
    """A PV's CSI source."""

    driver: str = ""
    volume_handle: str = ""
    read_only: bool = False
    controller_publish_secret_ref: SecretRef | None = None


class PvcRef(msgspec.Struct, gc=False):
    """The PersistentVolumeClaim that a PV is bound to."""

    namespace: str = ""
    name: str = ""
    uid: str = ""


class PvSpec(in_tree.Sources, rename="camel", gc=False):
    """A PV's spec. From protobuf only fields that place it are decoded: neither `claim_ref` of a CSI PV nor those after it."""

    csi: Csi | None = None
    claim_ref: PvcRef | None = None
    access_modes: list[str] | None = None
    persistent_volume_reclaim_policy: str = ""


class PvMetadata(Metadata):
    """A PV's metadata. From protobuf neither `deletion_timestamp` nor the labels of a PV with a CSI source are decoded."""

    uid: str = ""
    annotations: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
    deletion_timestamp: datetime | None = None


class Pv(msgspec.Struct, gc=False):
    """A PersistentVolume."""

    metadata: PvMetadata = msgspec.field(default_factory=PvMetadata)
    spec: PvSpec = msgspec.field(default_factory=PvSpec)


class PvStatus(msgspec.Struct, gc=False):
    """The status of a PV."""

    phase: str = ""


class PvWithStatus(Pv):
    """A PersistentVolume with its status, for those who list once: to decode a JSON list with it takes 2.5 % longer."""

    status: PvStatus = msgspec.field(default_factory=PvStatus)


PV: Final = msgspec.json.Decoder(Pv)
JSON_LIST: Final = msgspec.json.Decoder(Listed[Pv])


@dataclass(frozen=True, slots=True)
class PvList:
    """A page of a list, in protobuf; each PV is decoded when it is its turn."""

    metadata: ListMetadata
    items: Iterator[Pv]


class PvLists:
    """A reader of a page of a list, in protobuf or JSON."""

    def decode(self, body: bytes) -> ListPage[Pv]:
        """Decode the page; raise msgspec.DecodeError if the body is something else."""
        if not protobuf.is_protobuf(body):
            return JSON_LIST.decode(body)
        metadata, items = protobuf.listed(body)
        meta = protobuf.parsed(kube_pb2.ListMeta, metadata)
        return PvList(ListMetadata(meta.resource_version, meta.next), map(_pv, items))


PERSISTENT_VOLUMES: Final = ResourceKind("PersistentVolumes", PVS, PvLists(), msgspec.json.Decoder(WatchEvent[Pv]), compact=True)
PVS_WITH_STATUS: Final = ResourceKind(
    "PersistentVolumes", PVS, msgspec.json.Decoder(Listed[PvWithStatus]), msgspec.json.Decoder(WatchEvent[PvWithStatus])
)


def _pv(sent: memoryview) -> Pv:
    pv = protobuf.parsed(kube_pb2.PersistentVolume, sent)
    meta, source = pv.metadata, pv.spec.source
    # NB: the annotations stay what protobuf made them: to copy all for the sake of a few takes longer than the rest.
    metadata = PvMetadata(meta.name, meta.resource_version, meta.uid, meta.annotations)
    if source.HasField("csi"):
        csi = Csi(source.csi.driver, source.csi.volume_handle)
        if source.csi.HasField("controller_publish_secret_ref"):
            csi.controller_publish_secret_ref = SecretRef()
        return Pv(metadata, PvSpec(csi=csi))
    other = protobuf.parsed(kube_pb2.InTreePersistentVolume, sent)
    metadata.labels = other.metadata.labels
    return Pv(metadata, _in_tree(other.spec))


def _in_tree(spec: kube_pb2.InTreeSpec) -> PvSpec:
    made, source = PvSpec(claim_ref=PvcRef(spec.claim_ref.namespace)), spec.source
    if source.HasField("gce_persistent_disk"):
        made.gce_persistent_disk = in_tree.GceDisk(source.gce_persistent_disk.pd_name)
    if source.HasField("aws_elastic_block_store"):
        made.aws_elastic_block_store = in_tree.AwsDisk(source.aws_elastic_block_store.volume_id)
    if source.HasField("cinder"):
        made.cinder = in_tree.CinderDisk(source.cinder.volume_id)
    if source.HasField("vsphere_volume"):
        made.vsphere_volume = in_tree.VsphereDisk(source.vsphere_volume.volume_path)
    if source.HasField("azure_disk"):
        disk = source.azure_disk
        made.azure_disk = in_tree.AzureDisk(disk.disk_uri, disk.kind if disk.HasField("kind") else None)
    if source.HasField("azure_file"):
        file = source.azure_file
        namespace = file.secret_namespace if file.HasField("secret_namespace") else None
        made.azure_file = in_tree.AzureFile(file.secret_name, file.share_name, namespace)
    return made


def handle(driver: str, pv: Pv) -> str | Skip:
    """Return the volume handle that the PV has for this driver, or why it is none of the driver's volumes."""
    csi = pv.spec.csi
    if csi is not None:
        return (csi.volume_handle or Skip.NO_VOLUME_HANDLE) if csi.driver == driver else Skip.OTHER_DRIVER
    try:
        return _translated(driver, pv) or Skip.NOT_CSI
    except in_tree.Untranslatable:
        return Skip.UNTRANSLATABLE


def untranslatable(driver: str, pv: Pv) -> UntranslatableVolume | None:
    """Return the reason why the PV isn't a volume of the driver that serves its in-tree source, or None if it is one."""
    try:
        _translated(driver, pv)
    except in_tree.Untranslatable as error:
        return UntranslatableVolume(f"PersistentVolume {pv.metadata.name} has no volume handle for driver {driver}: {error}.")
    return None


def _translated(driver: str, pv: Pv) -> str:
    """Return the handle of a PV whose in-tree source the driver serves, or "" if it has no such source."""
    source = in_tree.source(driver, pv.spec)
    if source is None:
        return ""
    meta, pvc = pv.metadata, pv.spec.claim_ref
    return in_tree.translate(
        source, in_tree.About(meta.name, meta.labels or {}, meta.annotations or {}, pvc.namespace if pvc else "")
    )


def is_readonly(driver: str, pv: Pv) -> bool:
    """Return whether external-attacher asks for the volume readonly, if it may."""
    if pv.spec.csi is not None:
        return pv.spec.csi.read_only
    source = in_tree.source(driver, pv.spec)
    return source is not None and bool(source.read_only)


def access_modes(pv: Pv) -> list[str]:
    """Return the access modes from which external-attacher derives the one that it asks for."""
    modes = pv.spec.access_modes or []
    return modes if pv.spec.gce_persistent_disk is None else in_tree.gce_access_modes(modes)

"""PV and VolumeAttachment as the API server sends them, of their fields those that explain a volume; a Node as all read it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from mooring.collection import Event, Kind, Listed
from mooring.nodes.kinds import PlainNode
from mooring.volume_attachments import PvSpec as CsiPvSpec
from mooring.volume_attachments import Spec
from mooring.volumes import PVS

NODES: Final = "/api/v1/nodes"


class Metadata(msgspec.Struct, rename="camel"):
    """The metadata of each."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class ClaimRef(msgspec.Struct):
    """The PersistentVolumeClaim."""

    namespace: str = ""
    name: str = ""


class PvSpec(CsiPvSpec, rename="camel"):
    """How a PV may be used, and by whom it is."""

    claim_ref: ClaimRef | None = None
    persistent_volume_reclaim_policy: str = ""


class PvStatus(msgspec.Struct):
    """What has become of a PV."""

    phase: str = ""


class Pv(msgspec.Struct):
    """A PV."""

    metadata: Metadata
    spec: PvSpec
    status: PvStatus = msgspec.field(default_factory=PvStatus)


class Trouble(msgspec.Struct):
    """What external-attacher met last."""

    message: str = ""


class AttachmentStatus(msgspec.Struct, rename="camel"):
    """What has become of a VolumeAttachment."""

    attached: bool = False
    attachment_metadata: dict[str, str] | None = None
    attach_error: Trouble | None = None
    detach_error: Trouble | None = None


class VolumeAttachment(msgspec.Struct):
    """A VolumeAttachment."""

    metadata: Metadata
    spec: Spec
    status: AttachmentStatus = msgspec.field(default_factory=AttachmentStatus)


PV_KIND: Final = Kind("PersistentVolumes", PVS, msgspec.json.Decoder(Listed[Pv]), msgspec.json.Decoder(Event[Pv]))
ATTACHMENT_KIND: Final = Kind(
    "VolumeAttachments",
    "/apis/storage.k8s.io/v1/volumeattachments",
    msgspec.json.Decoder(Listed[VolumeAttachment]),
    msgspec.json.Decoder(Event[VolumeAttachment]),
)
NODE: Final = msgspec.json.Decoder(PlainNode)

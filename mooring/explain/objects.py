"""PV and VolumeAttachment as the API server sends them, of their fields those that explain a volume; a Node as all read it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from mooring.kubernetes.attachment_objects import Spec
from mooring.kubernetes.list_watch import Event, Listed, ResourceKind
from mooring.kubernetes.node_objects import PlainNode
from mooring.kubernetes.pv_objects import PVS
from mooring.kubernetes.pv_objects import Metadata as PlacedMetadata
from mooring.kubernetes.pv_objects import Pv as PlacedPv
from mooring.kubernetes.pv_objects import Spec as PlacedSpec

NODES: Final = "/api/v1/nodes"


class Metadata(PlacedMetadata, rename="camel"):
    """The metadata of each."""

    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class PvSpec(PlacedSpec, rename="camel"):
    """The spec of a PV: the ways it may be used, and the claim that uses it."""

    persistent_volume_reclaim_policy: str = ""


class PvStatus(msgspec.Struct):
    """The status of a PV."""

    phase: str = ""


class Pv(PlacedPv):
    """A PV."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: PvSpec = msgspec.field(default_factory=PvSpec)
    status: PvStatus = msgspec.field(default_factory=PvStatus)


class Trouble(msgspec.Struct):
    """The last error that external-attacher met."""

    message: str = ""


class AttachmentStatus(msgspec.Struct, rename="camel"):
    """The status of a VolumeAttachment."""

    attached: bool = False
    attachment_metadata: dict[str, str] | None = None
    attach_error: Trouble | None = None
    detach_error: Trouble | None = None


class VolumeAttachment(msgspec.Struct):
    """A VolumeAttachment."""

    metadata: Metadata
    spec: Spec
    status: AttachmentStatus = msgspec.field(default_factory=AttachmentStatus)


PV_KIND: Final = ResourceKind("PersistentVolumes", PVS, msgspec.json.Decoder(Listed[Pv]), msgspec.json.Decoder(Event[Pv]))
ATTACHMENT_KIND: Final = ResourceKind(
    "VolumeAttachments",
    "/apis/storage.k8s.io/v1/volumeattachments",
    msgspec.json.Decoder(Listed[VolumeAttachment]),
    msgspec.json.Decoder(Event[VolumeAttachment]),
)
NODE: Final = msgspec.json.Decoder(PlainNode)

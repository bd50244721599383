"""VolumeAttachments as the API server sends them, of their fields those that Mooring needs."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from mooring.kubernetes.list_watch import Listed, ResourceKind, WatchEvent
from mooring.kubernetes.metadata import Metadata

NODE_ID: Final = "csi.alpha.kubernetes.io/node-id"
"""The annotation in which external-attacher notes what it calls the node."""


class AttachmentMetadata(Metadata):
    """A VolumeAttachment's metadata."""

    annotations: dict[str, str] | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class AttachmentSource(msgspec.Struct, rename="camel"):
    """The source to attach; a volume without a PV has no name here."""

    persistent_volume_name: str | None = None


class AttachmentSpec(msgspec.Struct, rename="camel"):
    """The attacher, the source and the node."""

    attacher: str = ""
    node_name: str = ""
    source: AttachmentSource = msgspec.field(default_factory=AttachmentSource)


class AttachmentError(msgspec.Struct):
    """The last error that external-attacher met."""

    message: str = ""


class AttachmentStatus(msgspec.Struct, rename="camel"):
    """The status of a VolumeAttachment."""

    attached: bool = False
    attachment_metadata: dict[str, str] | None = None
    attach_error: AttachmentError | None = None
    detach_error: AttachmentError | None = None


class VolumeAttachment(msgspec.Struct):
    """A VolumeAttachment."""

    metadata: AttachmentMetadata = msgspec.field(default_factory=AttachmentMetadata)
    spec: AttachmentSpec = msgspec.field(default_factory=AttachmentSpec)
    status: AttachmentStatus = msgspec.field(default_factory=AttachmentStatus)

    @property
    def pv(self) -> str:
        """The name of the PV, "" for a volume without one."""
        return self.spec.source.persistent_volume_name or ""

    @property
    def noted_node_id(self) -> str:
        """The driver's id for the node as external-attacher noted it, "" if it didn't."""
        return (self.metadata.annotations or {}).get(NODE_ID, "")


VOLUME_ATTACHMENTS: Final = ResourceKind(
    "VolumeAttachments",
    "/apis/storage.k8s.io/v1/volumeattachments",
    msgspec.json.Decoder(Listed[VolumeAttachment]),
    msgspec.json.Decoder(WatchEvent[VolumeAttachment]),
)

"""VolumeAttachments as the API server sends them, of their fields those that Mooring needs."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from mooring.kubernetes.list_watch import Event, Listed, ResourceKind

NODE_ID: Final = "csi.alpha.kubernetes.io/node-id"
"""The annotation in which external-attacher notes what it calls the node."""


class Metadata(msgspec.Struct, rename="camel"):
    """A VolumeAttachment's metadata."""

    name: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: str | None = None


class Source(msgspec.Struct, rename="camel"):
    """The source to attach; a volume without a PV has no name here."""

    persistent_volume_name: str | None = None


class Spec(msgspec.Struct, rename="camel"):
    """The attacher, the source and the node."""

    attacher: str = ""
    node_name: str = ""
    source: Source = msgspec.field(default_factory=Source)


class State(msgspec.Struct, rename="camel"):
    """The status of the attachment."""

    attached: bool = False
    attachment_metadata: dict[str, str] | None = None


class VolumeAttachment(msgspec.Struct):
    """A VolumeAttachment."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: Spec = msgspec.field(default_factory=Spec)
    status: State = msgspec.field(default_factory=State)


VOLUME_ATTACHMENTS: Final = ResourceKind(
    "VolumeAttachments",
    "/apis/storage.k8s.io/v1/volumeattachments",
    msgspec.json.Decoder(Listed[VolumeAttachment]),
    msgspec.json.Decoder(Event[VolumeAttachment]),
)

"""The requests of a CO as Mooring's own: checked, and stripped of the data that no payload may hold.

Contract: a missing or malformed field is an `InvalidRequest` that names it, found before anything is looked up (CSI spec,
ControllerPublishVolume and ControllerUnpublishVolume, "Errors"). The limits are far above those of CSI's "Size Limits", which
Kubernetes keeps no driver to. An unpublish is never refused for its form, but for the volume that it lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import ValidationError

from mooring.csi import inflight
from mooring.csi.wire import csi_pb2
from mooring.errors import InvalidRequest
from mooring.models import MAP_BYTES, AccessMode, AccessType, Model, PublishRequest, UnpublishRequest, faults, map_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

STRING_BYTES: Final = 1024
"""Bytes that a field may have, other than handle and node id."""

M = TypeVar("M", bound=Model)
Mode = csi_pb2.VolumeCapability.AccessMode.Mode


def publish_request(driver: str, asked: csi_pb2.ControllerPublishVolumeRequest) -> PublishRequest:
    """Convert a ControllerPublishVolume request; raise InvalidRequest if it is malformed."""
    what = f"ControllerPublishVolume of volume {asked.volume_id!r} to node {asked.node_id!r}"
    _need(what, volume_id=asked.volume_id, node_id=asked.node_id, volume_capability=asked.HasField("volume_capability"))
    _bound(what, "volume_context", asked.volume_context)
    _bound(what, "secrets", asked.secrets)
    return _valid(
        what,
        PublishRequest,
        driver=driver,
        volume_handle=asked.volume_id,
        node_id=asked.node_id,
        access_mode=access_mode(what, asked.volume_capability),
        readonly=asked.readonly,
        access_type=access_type(what, asked.volume_capability),
        volume_context=dict(asked.volume_context),
        handed_over=inflight.is_needed(asked),
        with_secrets=bool(asked.secrets),
    )


def unpublish_request(driver: str, asked: csi_pb2.ControllerUnpublishVolumeRequest) -> UnpublishRequest:
    """Convert a ControllerUnpublishVolume request; raise InvalidRequest if it is malformed."""
    what = f"ControllerUnpublishVolume of volume {asked.volume_id!r} from node {asked.node_id!r}"
    _need(what, volume_id=asked.volume_id)
    return _valid(
        what,
        UnpublishRequest,
        driver=driver,
        volume_handle=asked.volume_id,
        node_id=asked.node_id,
        handed_over=bool(asked.secrets),
    )


def access_mode(what: str, capability: csi_pb2.VolumeCapability) -> AccessMode:
    """Return the capability's access mode; raise InvalidRequest if it has none that is known."""
    if not capability.HasField("access_mode") or capability.access_mode.mode == Mode.UNKNOWN:
        raise InvalidRequest(f"{what} lacks volume_capability.access_mode.")
    try:
        return AccessMode(Mode.Name(capability.access_mode.mode))
    except ValueError:
        number = capability.access_mode.mode
        raise InvalidRequest(f"{what} has an access mode, {number}, that this version of Mooring doesn't know.") from None


def access_type(what: str, capability: csi_pb2.VolumeCapability) -> AccessType:
    """Return the capability's access type; raise InvalidRequest if it has none."""
    if capability.HasField("block"):
        return AccessType(block=True)
    if not capability.HasField("mount"):
        raise InvalidRequest(f"{what} lacks volume_capability.access_type: it must be block or mount.")
    for field in ("fs_type", "volume_mount_group"):
        text: str = getattr(capability.mount, field)
        if len(text.encode()) > STRING_BYTES:
            raise InvalidRequest(f"{what} has a volume_capability.mount.{field} of more than {STRING_BYTES} bytes.")
    return AccessType(fs_type=capability.mount.fs_type, volume_mount_group=capability.mount.volume_mount_group)


def _need(what: str, **fields: object) -> None:
    missing = [name for name, value in fields.items() if not value]
    if missing:
        raise InvalidRequest(f"{what} lacks {', '.join(missing)}.")


def _bound(what: str, name: str, given: Mapping[str, str]) -> None:
    size = map_bytes(given)
    if size > MAP_BYTES:
        raise InvalidRequest(f"{what} has {size} bytes of {name}; Mooring takes {MAP_BYTES}.")


def _valid(what: str, model: type[M], **fields: object) -> M:
    try:
        return model(**fields)
    except ValidationError as error:
        raise InvalidRequest(f"{what} is malformed ({faults(error)}).") from None

"""Secrets and mount flags of CSI calls, in memory until the backend calls of their operation; they are never persisted.

Contract: secrets, mount flags (the CSI specification calls both sensitive) and fields that this version doesn't know reach the
driver and nothing else. They are kept until the last answer about their volume, or until the first call that arrives `KEEP_SECONDS`
after the last one whose operation went on without it.

Not kept here: anything across a restart. An operation that needs the lost data waits, and says so, until the CO asks again: its
retries supply all of it again.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mooring.csi.wire import csi_pb2
from mooring.errors import MooringError, OperationPending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

KEEP_SECONDS: Final = 3600.0


@dataclass(slots=True)
class _KeptRequests:
    calls: int = 0
    used: float = 0.0
    secrets: Mapping[str, str] = field(default_factory=dict)
    publishes: dict[bytes, csi_pb2.ControllerPublishVolumeRequest] = field(default_factory=dict)
    """Requests by the part of them that a payload holds: calls that ask for something else are other operations."""


class InFlightRequests:
    """The calls handed over, by volume handle. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, _KeptRequests] = {}

    @contextmanager
    def publish(self, request: csi_pb2.ControllerPublishVolumeRequest) -> Iterator[None]:
        """Keep the request during the block, which has it carried out, and after it if the operation goes on."""
        with self._during(request.volume_id, request.secrets) as kept:
            kept.publishes[_key(request)] = request
            yield

    @contextmanager
    def unpublish(self, request: csi_pb2.ControllerUnpublishVolumeRequest) -> Iterator[None]:
        """Keep the request's secrets likewise."""
        with self._during(request.volume_id, request.secrets):
            yield

    def publish_request(self, asked: csi_pb2.ControllerPublishVolumeRequest) -> csi_pb2.ControllerPublishVolumeRequest | None:
        """Return the CO's request as it arrived, of which a payload holds only `asked`, or None if it isn't kept."""
        kept = self._kept.get(asked.volume_id)
        return kept.publishes.get(_key(asked)) if kept else None

    def secrets(self, volume_handle: str) -> Mapping[str, str] | None:
        """Return the secrets of the volume's last call that carried any, or None if no call is known."""
        kept = self._kept.get(volume_handle)
        return kept.secrets if kept else None

    @contextmanager
    def _during(self, handle: str, secrets: Mapping[str, str]) -> Iterator[_KeptRequests]:
        kept = self._kept.setdefault(handle, _KeptRequests())
        kept.secrets = dict(secrets) or kept.secrets
        kept.calls += 1
        settled = False
        try:
            yield kept
            settled = True
        except MooringError as error:
            settled = not (error.retryable or isinstance(error, OperationPending))
            raise
        finally:
            kept.calls -= 1
            kept.used = self._clock()
            self._drop(handle if settled else None)

    def _drop(self, settled: str | None) -> None:
        oldest = self._clock() - KEEP_SECONDS
        idle = [handle for handle, kept in self._kept.items() if not kept.calls and (handle == settled or kept.used < oldest)]
        for handle in idle:
            del self._kept[handle]


def is_needed(request: csi_pb2.ControllerPublishVolumeRequest) -> bool:
    """Return whether the request holds anything that the payload of a workflow doesn't."""
    return _written(request).ByteSize() != request.ByteSize()


def _written(request: csi_pb2.ControllerPublishVolumeRequest) -> csi_pb2.ControllerPublishVolumeRequest:
    """Return the part of the request that the payload of a workflow holds."""
    written = csi_pb2.ControllerPublishVolumeRequest()
    written.CopyFrom(request)
    written.DiscardUnknownFields()
    written.ClearField("secrets")
    if written.volume_capability.HasField("mount"):
        written.volume_capability.mount.ClearField("mount_flags")
    return written


def _key(request: csi_pb2.ControllerPublishVolumeRequest) -> bytes:
    return _written(request).SerializeToString(deterministic=True)

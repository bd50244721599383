"""A CO: calls a CSI endpoint as external-attacher does, a driver's or one in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from grpc import StatusCode, aio

from mooring.csi.driver import OPTIONS, TOKEN
from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from tests.harness.patience import PATIENCE
from tests.harness.patient import DEADLINES

Mode = csi_pb2.VolumeCapability.AccessMode.Mode
DEADLINE = PATIENCE
"""NB: not external-attacher's 15 s: a test that means a deadline names one."""


def mount(mode: str = "SINGLE_NODE_WRITER", fs_type: str = "ext4", flags: tuple[str, ...] = ()) -> csi_pb2.VolumeCapability:
    """Return a capability to mount a volume."""
    return csi_pb2.VolumeCapability(
        mount=csi_pb2.VolumeCapability.MountVolume(fs_type=fs_type, mount_flags=flags),
        access_mode=csi_pb2.VolumeCapability.AccessMode(mode=Mode.Value(mode)),
    )


def shared_block() -> csi_pb2.VolumeCapability:
    """Return a capability to have a raw block device on several nodes, as a virtual machine's that migrates live."""
    return csi_pb2.VolumeCapability(
        block=csi_pb2.VolumeCapability.BlockVolume(),
        access_mode=csi_pb2.VolumeCapability.AccessMode(mode=Mode.MULTI_NODE_MULTI_WRITER),
    )


@dataclass(frozen=True, slots=True)
class CsiClient:
    """The two services, and the channel for all others."""

    endpoint: str
    channel: aio.Channel
    identity: Any
    controller: Any

    async def publish(
        self, volume: str, node: str, *, deadline: float = DEADLINE, token: int | None = None, **fields: Any
    ) -> dict[str, str]:
        """Call ControllerPublishVolume, with this fencing token; return the publish context."""
        fields.setdefault("volume_capability", mount())
        request = csi_pb2.ControllerPublishVolumeRequest(volume_id=volume, node_id=node, **fields)
        answer = await self.controller.ControllerPublishVolume(request, timeout=deadline, metadata=_fencing(token))
        return dict(answer.publish_context)

    async def unpublish(
        self, volume: str, node: str = "", *, deadline: float = DEADLINE, token: int | None = None, **fields: Any
    ) -> None:
        """Call ControllerUnpublishVolume, with this fencing token."""
        request = csi_pb2.ControllerUnpublishVolumeRequest(volume_id=volume, node_id=node, **fields)
        await self.controller.ControllerUnpublishVolume(request, timeout=deadline, metadata=_fencing(token))

    def raw(self, method: str) -> aio.UnaryUnaryMultiCallable[bytes, bytes]:
        """Return an RPC by its path, in bytes."""
        return self.channel.unary_unary(method)

    async def list_volumes(self, size: int = 0, token: str = "") -> csi_pb2.ListVolumesResponse:
        """Return one page of ListVolumes."""
        request = csi_pb2.ListVolumesRequest(max_entries=size, starting_token=token)
        answer: csi_pb2.ListVolumesResponse = await self.controller.ListVolumes(request, timeout=DEADLINE)
        return answer

    async def published(self, page: int = 0) -> dict[str, list[str]]:
        """Return the nodes of every volume, asked for in pages of this size."""
        found: dict[str, list[str]] = {}
        token = ""
        while True:
            answer = await self.list_volumes(page, token)
            found |= {entry.volume.volume_id: list(entry.status.published_node_ids) for entry in answer.entries}
            token = answer.next_token
            if not token:
                return found


@asynccontextmanager
async def csi_client(endpoint: str) -> AsyncIterator[CsiClient]:
    """Yield a CO's connection to the socket."""
    async with aio.insecure_channel(endpoint, options=OPTIONS) as channel:
        yield CsiClient(endpoint, channel, csi_pb2_grpc.IdentityStub(channel), csi_pb2_grpc.ControllerStub(channel))


@contextmanager
def refused(code: StatusCode, *words: str) -> Iterator[None]:
    """Check that the block is answered with this code, and a message that has these words."""
    with pytest.raises(aio.AioRpcError) as caught:
        yield
    assert (caught.value.code(), [word for word in words if word not in (caught.value.details() or "")]) == (code, [])


async def goes_on(call: Callable[[float], Awaitable[object]]) -> str:
    """Return the error of a call at its deadline, the first of growing ones by which its operation has begun."""
    for deadline in DEADLINES:
        try:
            await call(deadline)
        except aio.AioRpcError as error:
            if error.code() is StatusCode.ABORTED and "goes on" in (error.details() or ""):
                return str(error.details())
            if error.code() not in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED):
                raise
        else:
            raise AssertionError("the call has had its answer")
    raise AssertionError(f"the operation has not begun in {DEADLINES[-1]:g} s")


def _fencing(token: int | None) -> tuple[tuple[str, str], ...]:
    return () if token is None else ((TOKEN, str(token)),)

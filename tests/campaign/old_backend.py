"""The way of a worker of version 0.1.0, which knows no CSI, to the reference driver: the backend that MOORING_BACKEND names there.

It imports nothing of Mooring's that 0.1.0 hasn't. Its calls bear no fencing token, as 0.1.0 has none to give.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import grpc.aio

from mooring.errors import BackendUncertain
from tests.harness.repository import ROOT

if TYPE_CHECKING:
    from mooring.models import BackendCall

ENDPOINT: Final = "CAMPAIGN_DRIVER"
FACTORY: Final = "tests.campaign.old_backend:open_backend"
CONTROLLER: Final = "/csi.v1.Controller/"
SECONDS: Final = 3.0


@cache
def _csi() -> ModuleType:
    spec = importlib.util.spec_from_file_location("csi_pb2", ROOT / "mooring" / "csi" / "wire" / "csi_pb2.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OldBackend:
    """The driver, as 0.1.0 reaches it."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """Attach."""
        csi: Any = _csi()
        mode = csi.VolumeCapability.AccessMode.Mode.Value(call.access_mode or "SINGLE_NODE_WRITER")
        capability = csi.VolumeCapability(access_mode=csi.VolumeCapability.AccessMode(mode=mode))
        capability.mount.SetInParent()
        request = csi.ControllerPublishVolumeRequest(
            volume_id=call.volume.volume_handle, node_id=call.node_id, volume_capability=capability, readonly=call.readonly
        )
        answer = await self._ask("ControllerPublishVolume", request, csi.ControllerPublishVolumeResponse)
        return dict(answer.publish_context)

    async def unpublish(self, call: BackendCall) -> None:
        """Detach."""
        csi: Any = _csi()
        request = csi.ControllerUnpublishVolumeRequest(volume_id=call.volume.volume_handle, node_id=call.node_id)
        await self._ask("ControllerUnpublishVolume", request, csi.ControllerUnpublishVolumeResponse)

    async def _ask(self, rpc: str, request: Any, response: Any) -> Any:
        async with grpc.aio.insecure_channel(self._endpoint) as channel:
            call = channel.unary_unary(
                f"{CONTROLLER}{rpc}", request_serializer=type(request).SerializeToString, response_deserializer=response.FromString
            )
            try:
                return await call(request, timeout=SECONDS)
            except grpc.aio.AioRpcError as error:
                raise BackendUncertain(f"{rpc}: {error.code().name}: {error.details()}") from None


def open_backend() -> OldBackend:
    """Open the backend."""
    return OldBackend(os.environ[ENDPOINT])

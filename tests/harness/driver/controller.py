"""The driver's Controller service: arguments and secrets are checked, then storage is changed.

The publish context is a function of volume and node.
"""
# ruff: noqa: ARG002, N802 - the methods' names and parameters are CSI's

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import grpc.aio

from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from tests.harness.driver.journal import Call, Entry, Rpc
from tests.harness.driver.options import Options
from tests.harness.driver.storage import Refusal, Storage

FENCING_TOKEN: Final = "mooring-fencing-token"
RPC: TypeAlias = csi_pb2.ControllerServiceCapability.RPC
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
Request: TypeAlias = csi_pb2.ControllerPublishVolumeRequest | csi_pb2.ControllerUnpublishVolumeRequest
R = TypeVar("R")

CAPABILITIES: Final = (
    RPC.PUBLISH_UNPUBLISH_VOLUME,
    RPC.PUBLISH_READONLY,
    RPC.LIST_VOLUMES,
    RPC.LIST_VOLUMES_PUBLISHED_NODES,
    RPC.SINGLE_NODE_MULTI_WRITER,
)


class Passage(Protocol):
    """The way of each call through the driver (faults.py)."""

    async def take(self, call: Call, apply: Callable[[], R]) -> R | Refusal:
        """Apply the call, and return its answer."""


def publish_context(volume: str, node: str) -> dict[str, str]:
    """Return the publish context that a publish of the volume on the node answers, always."""
    return {"device": f"/dev/reference/{node}/{volume}"}


def _require(code: grpc.StatusCode, true: object, message: str) -> None:
    if not true:
        raise Refusal(code, message)


def _token(context: Context) -> int | None:
    values = [int(value) for key, value in context.invocation_metadata() or () if key == FENCING_TOKEN]
    return values[0] if values else None


class Controller(csi_pb2_grpc.ControllerServicer):
    """The driver's controller service."""

    def __init__(self, storage: Storage, passage: Passage, options: Options, entries: list[Entry]) -> None:
        self._storage = storage
        self._passage = passage
        self._secrets = {"secret": options.expected_secret} if options.expected_secret else None
        self._numbers = count(1 + sum(entry.event == "call" for entry in entries))

    async def ControllerPublishVolume(
        self, request: csi_pb2.ControllerPublishVolumeRequest, context: Context
    ) -> csi_pb2.ControllerPublishVolumeResponse:
        """Attach."""
        mode = request.volume_capability.access_mode.mode
        call = self._call("publish", request, context, csi_pb2.VolumeCapability.AccessMode.Mode.Name(mode), request.readonly)
        return await self._serve(call, context, lambda: self._publish(call, request))

    async def ControllerUnpublishVolume(
        self, request: csi_pb2.ControllerUnpublishVolumeRequest, context: Context
    ) -> csi_pb2.ControllerUnpublishVolumeResponse:
        """Detach."""
        call = self._call("unpublish", request, context)
        return await self._serve(call, context, lambda: self._unpublish(call, request))

    async def ListVolumes(self, request: csi_pb2.ListVolumesRequest, context: Context) -> csi_pb2.ListVolumesResponse:
        """List the volumes that were ever attached; a token is the number of those before."""
        token = request.starting_token or "0"
        if not token.isdecimal():
            await context.abort(grpc.StatusCode.ABORTED, f"{token!r} is no token of this driver: list from the start")
        volumes = self._storage.published()
        end = int(token) + (request.max_entries or len(volumes))
        entries = [_listed(volume, nodes) for volume, nodes in volumes[int(token) : end]]
        return csi_pb2.ListVolumesResponse(entries=entries, next_token=str(end) if end < len(volumes) else "")

    async def ValidateVolumeCapabilities(
        self, request: csi_pb2.ValidateVolumeCapabilitiesRequest, context: Context
    ) -> csi_pb2.ValidateVolumeCapabilitiesResponse:
        """Confirm every use of every volume."""
        if request.volume_id.startswith("missing-"):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no volume {request.volume_id}")
        confirmed = csi_pb2.ValidateVolumeCapabilitiesResponse.Confirmed(
            volume_context=request.volume_context,
            volume_capabilities=request.volume_capabilities,
            parameters=request.parameters,
            mutable_parameters=request.mutable_parameters,
        )
        return csi_pb2.ValidateVolumeCapabilitiesResponse(confirmed=confirmed)

    async def ControllerGetCapabilities(
        self, request: csi_pb2.ControllerGetCapabilitiesRequest, context: Context
    ) -> csi_pb2.ControllerGetCapabilitiesResponse:
        """Return `CAPABILITIES`."""
        capabilities = [csi_pb2.ControllerServiceCapability(rpc=RPC(type=each)) for each in CAPABILITIES]
        return csi_pb2.ControllerGetCapabilitiesResponse(capabilities=capabilities)

    def _call(self, rpc: Rpc, request: Request, context: Context, mode: str = "", readonly: bool = False) -> Call:
        return Call(next(self._numbers), rpc, request.volume_id, request.node_id, _token(context), mode, readonly)

    async def _serve(self, call: Call, context: Context, apply: Callable[[], R]) -> R:
        answer = await self._passage.take(call, apply)
        if isinstance(answer, Refusal):
            await context.abort(answer.code, answer.message)
        return answer

    def _publish(self, call: Call, request: csi_pb2.ControllerPublishVolumeRequest) -> csi_pb2.ControllerPublishVolumeResponse:
        named = call.volume and call.node and request.HasField("volume_capability")
        _require(grpc.StatusCode.INVALID_ARGUMENT, named, "publish needs volume_id, node_id and volume_capability")
        self._check_secrets(dict(request.secrets), call)
        _require(grpc.StatusCode.NOT_FOUND, not call.volume.startswith("missing-"), f"there is no volume {call.volume}")
        _require(grpc.StatusCode.NOT_FOUND, not call.node.startswith("missing-"), f"there is no node {call.node}")
        self._storage.attach(call)
        return csi_pb2.ControllerPublishVolumeResponse(publish_context=publish_context(call.volume, call.node))

    def _unpublish(
        self, call: Call, request: csi_pb2.ControllerUnpublishVolumeRequest
    ) -> csi_pb2.ControllerUnpublishVolumeResponse:
        _require(grpc.StatusCode.INVALID_ARGUMENT, call.volume, "unpublish needs volume_id")
        self._check_secrets(dict(request.secrets), call)
        self._storage.detach(call)
        return csi_pb2.ControllerUnpublishVolumeResponse()

    def _check_secrets(self, secrets: dict[str, str], call: Call) -> None:
        message = f"{call.rpc} of volume {call.volume} came without the secrets that this driver expects"
        _require(grpc.StatusCode.UNAUTHENTICATED, self._secrets in (None, secrets), message)


def _listed(volume: str, nodes: list[str]) -> csi_pb2.ListVolumesResponse.Entry:
    status = csi_pb2.ListVolumesResponse.VolumeStatus(published_node_ids=nodes)
    return csi_pb2.ListVolumesResponse.Entry(volume=csi_pb2.Volume(volume_id=volume), status=status)

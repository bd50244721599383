"""A CSI driver behind Mooring: its self-description, and its ControllerPublishVolume and ControllerUnpublishVolume as a backend.

Contract: each backend call carries its fencing token as the metadata `mooring-fencing-token`, in decimal. One for a volume whose
record has no epoch has none: a driver that remembers a higher one would refuse it for ever. The driver's error is reported
by its gRPC code: a final one is a `BackendFailed` of that code, one after which the outcome of the call is unknown a
`BackendUncertain`.

No call for a volume whose PV names a Secret is made without secrets: they are the CO's, which supplies them with its own calls.

No message of the driver is passed on with a secret in it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc
from grpc import aio

from mooring import errors
from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from mooring.errors import BackendFailed, BackendUncertain, MooringError, SecretsAwaited, SecretsNeeded
from mooring.process.tracing import UNTRACED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping

    from mooring.csi.inflight import InFlightRequests
    from mooring.models import BackendCall
    from mooring.process.tracing import Tracing


TOKEN: Final = "mooring-fencing-token"  # noqa: S105 - no secret: a counter
OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.default_authority", "localhost"),  # NB: servers in Go refuse the path of a socket as an authority
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
FINAL: Final[Mapping[grpc.StatusCode, type[MooringError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.BackendInvalidArgument,
    grpc.StatusCode.NOT_FOUND: errors.BackendNotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.BackendAlreadyExists,
    grpc.StatusCode.PERMISSION_DENIED: errors.BackendPermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: errors.BackendUnauthenticated,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.BackendResourceExhausted,
    grpc.StatusCode.FAILED_PRECONDITION: errors.BackendFailedPrecondition,
    grpc.StatusCode.OUT_OF_RANGE: errors.BackendOutOfRange,
    grpc.StatusCode.UNIMPLEMENTED: errors.BackendUnimplemented,
    grpc.StatusCode.INTERNAL: BackendFailed,
    grpc.StatusCode.DATA_LOSS: errors.BackendDataLoss,
}

Rpc = csi_pb2.ControllerServiceCapability.RPC
Mode = csi_pb2.VolumeCapability.AccessMode.Mode
_Request: TypeAlias = csi_pb2.ControllerPublishVolumeRequest | csi_pb2.ControllerUnpublishVolumeRequest


@dataclass(frozen=True, slots=True)
class Description:
    """A driver's description of itself. `rpcs` are the numbers of its controller capabilities."""

    info: csi_pb2.GetPluginInfoResponse
    plugin: csi_pb2.GetPluginCapabilitiesResponse
    controller: csi_pb2.ControllerGetCapabilitiesResponse

    @property
    def rpcs(self) -> frozenset[int]:
        """The RPCs that its controller service has."""
        return frozenset(capability.rpc.type for capability in self.controller.capabilities)

    @property
    def attaches(self) -> bool:
        """True if it has ControllerPublishVolume and ControllerUnpublishVolume."""
        return Rpc.PUBLISH_UNPUBLISH_VOLUME in self.rpcs

    @property
    def takes_readonly(self) -> bool:
        """True if a CO may ask it for readonly attachments: it has PUBLISH_READONLY, or Mooring does all the attaching."""
        return not self.attaches or Rpc.PUBLISH_READONLY in self.rpcs


@asynccontextmanager
async def driver_channel(endpoint: str) -> AsyncIterator[aio.Channel]:
    """Open a channel to the driver's socket, `unix:///...`, while the block lasts; it connects and reconnects by itself."""
    async with aio.insecure_channel(endpoint, options=OPTIONS) as channel:
        yield channel


async def describe(channel: aio.Channel, seconds: float) -> Description:
    """Ask the driver for its description; raise BackendUncertain if it doesn't answer in time."""
    identity = csi_pb2_grpc.IdentityStub(channel)
    controller = csi_pb2_grpc.ControllerStub(channel)
    try:
        info = await identity.GetPluginInfo(csi_pb2.GetPluginInfoRequest(), timeout=seconds)
        plugin = await identity.GetPluginCapabilities(csi_pb2.GetPluginCapabilitiesRequest(), timeout=seconds)
        rpcs = csi_pb2.ControllerGetCapabilitiesResponse()
        if _has_controller(plugin):
            rpcs = await controller.ControllerGetCapabilities(csi_pb2.ControllerGetCapabilitiesRequest(), timeout=seconds)
    except aio.AioRpcError as error:
        raise BackendUncertain(
            f"The driver did not report its name and capabilities: {error.code().name}: {error.details()}."
        ) from None
    return Description(info, plugin, rpcs)


def _has_controller(plugin: csi_pb2.GetPluginCapabilitiesResponse) -> bool:
    services = (capability.service.type for capability in plugin.capabilities)
    return csi_pb2.PluginCapability.Service.CONTROLLER_SERVICE in services


def lists_nodes(behind: Description) -> bool:
    """Return whether the driver reports which nodes have its volumes."""
    return {Rpc.LIST_VOLUMES, Rpc.LIST_VOLUMES_PUBLISHED_NODES} <= behind.rpcs


class DriverBackend:
    """A driver as the backend. `seconds` bound one call; `inflight` supplies the data that no payload may hold."""

    def __init__(self, channel: aio.Channel, inflight: InFlightRequests, seconds: float, tracing: Tracing = UNTRACED) -> None:
        self._controller = csi_pb2_grpc.ControllerStub(channel)
        self._inflight = inflight
        self._seconds = seconds
        self._tracing = tracing

    async def publish(self, call: BackendCall) -> dict[str, str]:
        """See `mooring.backend.Backend`."""
        request = self._publish_request(call)
        answer = await self._ask(self._controller.ControllerPublishVolume, request, call)
        return dict(answer.publish_context)

    async def unpublish(self, call: BackendCall) -> None:
        """See `mooring.backend.Backend`."""
        handle = call.volume.volume_handle
        secrets = self._inflight.secrets(handle) if call.handed_over or call.needs_secrets else {}
        if secrets is None or (call.needs_secrets and not secrets):
            raise _lost(call)
        request = csi_pb2.ControllerUnpublishVolumeRequest(volume_id=handle, node_id=call.node_id, secrets=secrets)
        await self._ask(self._controller.ControllerUnpublishVolume, request, call)

    def has_secrets(self, volume_handle: str) -> bool:
        """See `mooring.backend.TakesSecrets`."""
        return bool(self._inflight.secrets(volume_handle))

    def _publish_request(self, call: BackendCall) -> csi_pb2.ControllerPublishVolumeRequest:
        request = _request(call)
        if not (call.handed_over or call.needs_secrets):
            return request
        whole = self._inflight.publish_request(request)
        if whole is None or (call.needs_secrets and not whole.secrets):
            raise _lost(call)
        return whole

    async def _ask(self, rpc: Any, request: _Request, call: BackendCall) -> Any:
        token = () if call.token is None else ((TOKEN, str(call.token)),)
        try:
            return await rpc(request, timeout=self._seconds, metadata=token + self._tracing.headers())
        except aio.AioRpcError as error:
            raise _error(error, type(request).__name__.removesuffix("Request"), call, _sensitive(request)) from None


def _sensitive(request: _Request) -> list[str]:
    """Return the texts in the request that no message may show, longest first, as one may be part of another."""
    texts = list(request.secrets.values())
    if isinstance(request, csi_pb2.ControllerPublishVolumeRequest):
        texts += (flag for flag in request.volume_capability.mount.mount_flags if "=" in flag)  # others are but names of options
    return sorted(filter(None, texts), key=len, reverse=True)


def _request(call: BackendCall) -> csi_pb2.ControllerPublishVolumeRequest:
    how = call.access_type
    capability = csi_pb2.VolumeCapability(
        access_mode=csi_pb2.VolumeCapability.AccessMode(mode=Mode.Value(call.access_mode) if call.access_mode else Mode.UNKNOWN)
    )
    if how is not None and how.block:
        capability.block.SetInParent()
    else:
        capability.mount.fs_type = how.fs_type if how else ""
        capability.mount.volume_mount_group = how.volume_mount_group if how else ""
    return csi_pb2.ControllerPublishVolumeRequest(
        volume_id=call.volume.volume_handle,
        node_id=call.node_id,
        volume_capability=capability,
        readonly=call.readonly,
        volume_context=call.volume_context,
    )


def _lost(call: BackendCall) -> MooringError:
    where = f"volume {call.volume.volume_handle} on node {call.node_id}"
    if not call.handed_over:
        return SecretsNeeded(f"The driver needs secrets for {where}, and this call did not come from the CO.")
    return SecretsAwaited(f"The secrets and mount flags that the CO sent for {where} are not in this worker's memory.")


def _error(error: aio.AioRpcError, rpc: str, call: BackendCall, secrets: Iterable[str]) -> MooringError:
    told = error.details() or "it gave no reason"
    for secret in secrets:
        told = told.replace(secret, "***")
    where = f"volume {call.volume.volume_handle}, node {call.node_id or '(every)'}"
    kind = FINAL.get(error.code(), BackendUncertain)
    return kind(f"The driver answered {error.code().name} to {rpc} of {where}: {told.rstrip('.')}.")


LIST_SECONDS: Final = 30.0


class ListingBackend(DriverBackend):
    """A driver that lists its nodes, as the backend."""

    async def published(self) -> AsyncGenerator[tuple[str, str]]:
        """Yield every volume handle with its node id; raise BackendUncertain if the driver doesn't list them to the end."""
        request = csi_pb2.ListVolumesRequest()
        while True:
            try:
                answer = await self._controller.ListVolumes(request, timeout=LIST_SECONDS)
            except aio.AioRpcError as error:
                raise BackendUncertain(f"The driver did not list its volumes: {error.code().name}: {error.details()}.") from None
            for entry in answer.entries:
                for node in entry.status.published_node_ids:
                    yield entry.volume.volume_id, node
            if not answer.next_token:
                return
            request.starting_token = answer.next_token

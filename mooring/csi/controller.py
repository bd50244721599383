"""The Controller service: ControllerPublishVolume and ControllerUnpublishVolume as durable operations, and lists from the index.

Contract: arguments are checked first, the rest is the operation's own business (workflows/). The capabilities are the driver's and
Mooring's together, except those that would send a driver requests it doesn't know: readonly attachments and the access modes
of SINGLE_NODE_MULTI_WRITER are offered if the driver attaches nothing itself, or offers them.

Not kept here: other RPCs of this service; they are passed on (passthrough.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mooring.csi import validation
from mooring.csi.driver import Rpc
from mooring.csi.list_volumes import Listing
from mooring.csi.responses import abort_on_error, time_left
from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from mooring.errors import InvalidRequest, SecretsOutOfReach, VolumeNotFound
from mooring.process.logs import note_fields

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from grpc import aio

    from mooring.csi.inflight import InFlightRequests
    from mooring.csi.passthrough import PassThrough
    from mooring.csi.state import EndpointState, ReadyWorker
    from mooring.models import PublishRequest, UnpublishRequest
    from mooring.process.tracing import Tracing

LISTS: Final = (Rpc.PUBLISH_UNPUBLISH_VOLUME, Rpc.LIST_VOLUMES, Rpc.LIST_VOLUMES_PUBLISHED_NODES)
ATTACHES: Final = (Rpc.PUBLISH_READONLY, Rpc.SINGLE_NODE_MULTI_WRITER)
SERVICE: Final = "/csi.v1.Controller"


class Controller(csi_pb2_grpc.ControllerServicer):
    """The Controller service, as the module says. `onward` leads to the driver, if there is one."""

    def __init__(self, state: EndpointState, inflight: InFlightRequests, onward: PassThrough | None, tracing: Tracing) -> None:
        self._state = state
        self._tracing = tracing
        self._inflight = inflight
        self._onward = onward
        self._listing = Listing()

    async def ControllerPublishVolume(
        self, request: csi_pb2.ControllerPublishVolumeRequest, context: aio.ServicerContext[Any, Any]
    ) -> csi_pb2.ControllerPublishVolumeResponse:
        """Attach the volume to the node."""
        async with abort_on_error(context):
            asked = validation.publish_request(self._state.driver, request)
            note_fields(operation="ControllerPublishVolume", volume=asked.volume_handle, node=asked.node_id)
            serving = self._serving(asked)
            with self._inflight.publish(request), self._span("ControllerPublishVolume", context):
                result = await serving.mooring.request_publish(asked, deadline=time_left(context))
        return csi_pb2.ControllerPublishVolumeResponse(publish_context=result.publish_context)

    async def ControllerUnpublishVolume(
        self, request: csi_pb2.ControllerUnpublishVolumeRequest, context: aio.ServicerContext[Any, Any]
    ) -> csi_pb2.ControllerUnpublishVolumeResponse:
        """Detach the volume from the node, or from every node."""
        async with abort_on_error(context):
            asked = validation.unpublish_request(self._state.driver, request)
            note_fields(operation="ControllerUnpublishVolume", volume=asked.volume_handle, node=asked.node_id or "")
            serving = self._serving(asked)
            with self._inflight.unpublish(request), self._span("ControllerUnpublishVolume", context):
                await serving.mooring.request_unpublish(asked, deadline=time_left(context))
        return csi_pb2.ControllerUnpublishVolumeResponse()

    async def ControllerGetCapabilities(
        self, request: csi_pb2.ControllerGetCapabilitiesRequest, context: aio.ServicerContext[Any, Any]
    ) -> csi_pb2.ControllerGetCapabilitiesResponse:
        """Return the driver's capabilities, with those that Mooring adds."""
        async with abort_on_error(context):
            behind = self._state.driver_behind()
        answer = csi_pb2.ControllerGetCapabilitiesResponse()
        if behind is not None:
            answer.CopyFrom(behind.controller)
        known = behind.rpcs if behind is not None else frozenset()
        added = LISTS if behind is not None and behind.attaches else LISTS + ATTACHES
        for rpc in added:
            if rpc not in known:
                answer.capabilities.add().rpc.type = rpc
        return answer

    async def ListVolumes(
        self, request: csi_pb2.ListVolumesRequest, context: aio.ServicerContext[Any, Any]
    ) -> csi_pb2.ListVolumesResponse:
        """Return the driver's list if it has one, with the index's nodes if the driver names none, or else the index's list."""
        async with abort_on_error(context):
            manager = self._state.ready().manager
            rpcs = behind.rpcs if (behind := self._state.driver_behind()) else frozenset()
            if self._onward is None or Rpc.LIST_VOLUMES not in rpcs:
                return await self._listing.page(manager, request)
        answer = csi_pb2.ListVolumesResponse.FromString(
            await self._onward.forward(f"{SERVICE}/ListVolumes", request.SerializeToString(), context)
        )
        if Rpc.LIST_VOLUMES_PUBLISHED_NODES not in rpcs:
            for entry in answer.entries:
                entry.status.published_node_ids[:] = manager.listed_nodes(entry.volume.volume_id)
        return answer

    async def ValidateVolumeCapabilities(
        self, request: csi_pb2.ValidateVolumeCapabilitiesRequest, context: aio.ServicerContext[Any, Any]
    ) -> csi_pb2.ValidateVolumeCapabilitiesResponse:
        """Return the driver's answer or, without a driver, confirm every access mode of a volume that has a PV."""
        if self._onward is not None:
            payload = request.SerializeToString()
            told = await self._onward.forward(f"{SERVICE}/ValidateVolumeCapabilities", payload, context)
            return csi_pb2.ValidateVolumeCapabilitiesResponse.FromString(told)
        async with abort_on_error(context):
            self._validate(request)
        return csi_pb2.ValidateVolumeCapabilitiesResponse(
            confirmed=csi_pb2.ValidateVolumeCapabilitiesResponse.Confirmed(
                volume_context=request.volume_context,
                volume_capabilities=request.volume_capabilities,
                parameters=request.parameters,
            )
        )

    def _span(self, rpc: str, context: aio.ServicerContext[Any, Any]) -> AbstractContextManager[None]:
        return self._tracing.span(f"{SERVICE[1:]}/{rpc}", context.invocation_metadata() or ())

    def _serving(self, asked: PublishRequest | UnpublishRequest) -> ReadyWorker:
        serving = self._state.ready()
        if asked.handed_over and self._state.fronts_driver and not serving.hands_over:
            raise SecretsOutOfReach(
                f"The call about volume {asked.volume_handle} carries secrets or mount flags, which may only be kept in a "
                "worker's memory."
            )
        return serving

    def _validate(self, request: csi_pb2.ValidateVolumeCapabilitiesRequest) -> None:
        what = f"ValidateVolumeCapabilities of volume {request.volume_id!r}"
        missing = [name for name in ("volume_id", "volume_capabilities") if not getattr(request, name)]
        if missing:
            raise InvalidRequest(f"{what} lacks {', '.join(missing)}.")
        for capability in request.volume_capabilities:
            validation.access_mode(what, capability)
            validation.access_type(what, capability)
        if self._state.ready().manager.pv_name(request.volume_id) is None:
            raise VolumeNotFound(f"Volume {request.volume_id} of driver {self._state.driver} has no PersistentVolume.")

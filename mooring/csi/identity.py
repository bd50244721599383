"""The Identity service: the plugin's name, its capabilities, its readiness.

Contract: nothing here waits and Probe never fails, because external-attacher exits if it does. In front of a driver the plugin
is that driver, with a controller service in any case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.wrappers_pb2 import BoolValue

from mooring import __version__
from mooring.csi.responses import abort_on_error
from mooring.csi.wire import csi_pb2, csi_pb2_grpc

if TYPE_CHECKING:
    from grpc import aio

    from mooring.csi.state import EndpointState

CONTROLLER = csi_pb2.PluginCapability(
    service=csi_pb2.PluginCapability.Service(type=csi_pb2.PluginCapability.Service.CONTROLLER_SERVICE)
)


class Identity(csi_pb2_grpc.IdentityServicer):
    """The Identity service, as the module says."""

    def __init__(self, state: EndpointState) -> None:
        self._state = state

    async def GetPluginInfo(
        self, request: csi_pb2.GetPluginInfoRequest, context: aio.ServicerContext[Any, Any]
    ) -> csi_pb2.GetPluginInfoResponse:
        """Return the driver's name and version, or the configured name and Mooring's version if no driver is behind it."""
        async with abort_on_error(context):
            behind = self._state.driver_behind()
        if behind is not None:
            return behind.info
        return csi_pb2.GetPluginInfoResponse(name=self._state.driver, vendor_version=__version__)

    async def GetPluginCapabilities(
        self, request: csi_pb2.GetPluginCapabilitiesRequest, context: aio.ServicerContext[Any, Any]
    ) -> csi_pb2.GetPluginCapabilitiesResponse:
        """Return the driver's plugin capabilities, with a controller service in any case."""
        async with abort_on_error(context):
            behind = self._state.driver_behind()
        answer = csi_pb2.GetPluginCapabilitiesResponse()
        if behind is not None:
            answer.CopyFrom(behind.plugin)
        if CONTROLLER not in answer.capabilities:
            answer.capabilities.append(CONTROLLER)
        return answer

    async def Probe(self, request: csi_pb2.ProbeRequest, context: aio.ServicerContext[Any, Any]) -> csi_pb2.ProbeResponse:
        """Report ready once the index is rebuilt."""
        return csi_pb2.ProbeResponse(ready=BoolValue(value=self._state.ready_worker is not None))

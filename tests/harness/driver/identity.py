"""The driver's Identity service."""
# ruff: noqa: ARG002, N802 - the methods' names and parameters are CSI's

from __future__ import annotations

from typing import Any, TypeAlias

import grpc.aio
from google.protobuf.wrappers_pb2 import BoolValue

from mooring.csi.wire import csi_pb2, csi_pb2_grpc

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class Identity(csi_pb2_grpc.IdentityServicer):
    """The driver's identity service."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def GetPluginInfo(self, request: csi_pb2.GetPluginInfoRequest, context: Context) -> csi_pb2.GetPluginInfoResponse:
        """Return the name it was given."""
        return csi_pb2.GetPluginInfoResponse(name=self._name, vendor_version="reference")

    async def GetPluginCapabilities(
        self, request: csi_pb2.GetPluginCapabilitiesRequest, context: Context
    ) -> csi_pb2.GetPluginCapabilitiesResponse:
        """Report a controller."""
        service = csi_pb2.PluginCapability.Service(type=csi_pb2.PluginCapability.Service.CONTROLLER_SERVICE)
        return csi_pb2.GetPluginCapabilitiesResponse(capabilities=[csi_pb2.PluginCapability(service=service)])

    async def Probe(self, request: csi_pb2.ProbeRequest, context: Context) -> csi_pb2.ProbeResponse:
        """Report the driver as ready."""
        return csi_pb2.ProbeResponse(ready=BoolValue(value=True))

"""The endpoint's identity, and its socket."""

from __future__ import annotations

import stat
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from mooring import __version__
from mooring.csi.driver import Rpc
from mooring.csi.endpoint import EndpointUnavailable, csi_endpoint
from mooring.csi.inflight import InFlightRequests
from mooring.csi.state import EndpointState
from mooring.csi.wire import csi_pb2
from tests.harness.csi_client import CsiClient, csi_client, mount, refused


def _endpoint(folder: Path) -> AbstractAsyncContextManager[None]:
    return csi_endpoint(f"unix://{folder}/s", EndpointState("d.csi.test"), InFlightRequests(lambda: 0.0))


async def test_it_is_ready_once_the_worker_is(csi: CsiClient) -> None:
    assert (await csi.identity.Probe(csi_pb2.ProbeRequest())).ready.value


async def test_before_its_worker_it_is_not_ready_and_says_so(tmp_path: Path) -> None:
    async with _endpoint(tmp_path), csi_client(f"unix://{tmp_path}/s") as co:
        probe = await co.identity.Probe(csi_pb2.ProbeRequest())
        with refused(StatusCode.UNAVAILABLE, "d.csi.test", "not ready"):
            await co.publish("vol-1", "node-a")

    assert (probe.HasField("ready"), probe.ready.value) == (True, False)


async def test_it_names_the_driver_and_its_own_version(csi: CsiClient, driver: str) -> None:
    info = await csi.identity.GetPluginInfo(csi_pb2.GetPluginInfoRequest())

    assert (info.name, info.vendor_version) == (driver, __version__)


async def test_it_is_a_controller_that_publishes_and_lists(csi: CsiClient) -> None:
    plugin = await csi.identity.GetPluginCapabilities(csi_pb2.GetPluginCapabilitiesRequest())
    rpcs = await csi.controller.ControllerGetCapabilities(csi_pb2.ControllerGetCapabilitiesRequest())

    assert [capability.service.type for capability in plugin.capabilities] == [csi_pb2.PluginCapability.Service.CONTROLLER_SERVICE]
    assert {capability.rpc.type for capability in rpcs.capabilities} == {
        Rpc.PUBLISH_UNPUBLISH_VOLUME,
        Rpc.PUBLISH_READONLY,
        Rpc.LIST_VOLUMES,
        Rpc.LIST_VOLUMES_PUBLISHED_NODES,
        Rpc.SINGLE_NODE_MULTI_WRITER,
    }


async def test_the_standard_health_service_tells_the_same(csi: CsiClient) -> None:
    health: Any = health_pb2_grpc.HealthStub(csi.channel)

    assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
    with refused(StatusCode.NOT_FOUND, "csi.v1.Other"):
        await health.Check(health_pb2.HealthCheckRequest(service="csi.v1.Other"))


async def test_reflection_names_the_services(csi: CsiClient) -> None:
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(csi.channel)  # type: ignore[arg-type] # made for channels that block
    answer = await anext(aiter(stub.ServerReflectionInfo(iter([ask]))))

    assert {"csi.v1.Identity", "csi.v1.Controller"} <= {service.name for service in answer.list_services_response.service}


async def test_an_rpc_that_nobody_serves_is_unimplemented(csi: CsiClient) -> None:
    with refused(StatusCode.UNIMPLEMENTED):
        await csi.raw("/csi.v1.Controller/CreateVolume")(b"")


@pytest.mark.parametrize("asked", [{}, {"volume_capabilities": [mount("UNKNOWN")]}])
async def test_malformed_capabilities_are_not_validated(csi: CsiClient, asked: dict[str, object]) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, "vol-1"):
        await csi.controller.ValidateVolumeCapabilities(csi_pb2.ValidateVolumeCapabilitiesRequest(volume_id="vol-1", **asked))  # type: ignore[arg-type]


async def test_capabilities_of_an_unknown_volume_are_not_validated(csi: CsiClient) -> None:
    asked = csi_pb2.ValidateVolumeCapabilitiesRequest(volume_id="vol-1", volume_capabilities=[mount()])
    with refused(StatusCode.NOT_FOUND, "vol-1"):
        await csi.controller.ValidateVolumeCapabilities(asked)


async def test_the_socket_is_its_owners_alone_and_goes_with_the_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with _endpoint(tmp_path):
        mode = path.stat().st_mode

    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode), path.exists()) == (True, 0o600, False)


async def test_a_socket_in_use_is_left_to_its_owner(tmp_path: Path) -> None:
    async with _endpoint(tmp_path):
        with pytest.raises(EndpointUnavailable, match="listens on"):
            async with _endpoint(tmp_path):
                pass


async def test_something_else_in_its_place_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(EndpointUnavailable, match="is not a socket"):
        async with _endpoint(tmp_path):
            pass
    assert (tmp_path / "s").read_text() == "precious"

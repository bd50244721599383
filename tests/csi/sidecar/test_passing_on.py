"""Calls that aren't Mooring's own pass through it unread."""

from __future__ import annotations

import asyncio

from grpc import StatusCode

from mooring.csi.driver import Rpc
from mooring.csi.wire import csi_pb2
from tests.harness.csi_client import CsiClient, refused
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.patience import PATIENCE


async def test_bytes_of_another_service_come_back_as_they_were_sent(sidecar: CsiClient) -> None:
    payload = bytes(range(256)) * 16_000

    assert await sidecar.raw("/mooring.test.Echo/Any")(payload) == payload


async def test_metadata_and_deadline_are_passed_on(sidecar: CsiClient) -> None:
    call = sidecar.raw("/mooring.test.Echo/Any")(b"", timeout=300, metadata=(("x-tenant", "blue"), ("x-bin", b"\x00\xff")))
    await call
    told = dict(await call.trailing_metadata())

    assert (told["x-tenant"], told["x-bin"]) == ("blue", b"\x00\xff")
    assert 200 < float(told["seconds-left"]) < 330  # gRPC rounds a deadline up when it sends it


async def test_metadata_named_almost_like_those_of_a_connection_are_passed_on(sidecar: CsiClient) -> None:
    brought = (("tenant", "blue"), ("te-x", "green"), ("content-type-x", "red"))
    call = sidecar.raw("/mooring.test.Echo/Any")(b"", metadata=brought)
    await call

    assert set(brought) <= set(await call.trailing_metadata())


async def test_an_error_of_the_driver_is_passed_on(sidecar: CsiClient) -> None:
    with refused(StatusCode.UNIMPLEMENTED):
        await sidecar.raw("/csi.v1.Controller/CreateVolume")(b"")


async def test_a_stream_is_refused(sidecar: CsiClient) -> None:
    with refused(StatusCode.UNIMPLEMENTED, "/mooring.test.Echo/Stream"):
        async with asyncio.timeout(PATIENCE):
            await sidecar.raw("/mooring.test.Echo/Stream")(b"again and again")


async def test_the_plugin_is_the_driver(sidecar: CsiClient) -> None:
    info = await sidecar.identity.GetPluginInfo(csi_pb2.GetPluginInfoRequest())

    assert info.name == "reference.csi.example"


async def test_the_capabilities_are_the_union_each_once(sidecar: CsiClient) -> None:
    answer = await sidecar.controller.ControllerGetCapabilities(csi_pb2.ControllerGetCapabilitiesRequest())
    rpcs = [capability.rpc.type for capability in answer.capabilities]

    assert len(rpcs) == len(set(rpcs))
    assert {Rpc.PUBLISH_UNPUBLISH_VOLUME, Rpc.LIST_VOLUMES, Rpc.LIST_VOLUMES_PUBLISHED_NODES} <= set(rpcs)


async def test_the_list_is_the_drivers_own(sidecar: CsiClient, reference: ReferenceDriver, volume: str) -> None:
    await sidecar.publish(volume, "node-a")
    nodes = {entry.volume.volume_id: set(entry.status.published_node_ids) for entry in (await sidecar.list_volumes()).entries}

    assert nodes[volume] == {"node-a"} == reference.attached()[volume]


async def test_a_bad_token_is_refused_by_the_driver(sidecar: CsiClient) -> None:
    with refused(StatusCode.ABORTED, "nonsense"):
        await sidecar.list_volumes(token="nonsense")

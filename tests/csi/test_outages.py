"""The endpoint while what it needs isn't there."""

from __future__ import annotations

from pathlib import Path

from grpc import StatusCode

from mooring.csi.wire import csi_pb2
from mooring.devstack.ports import free_port
from mooring.devstack.temporal import DevTemporal
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, csi_client, refused
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.processes import Fleet, open_fleet

SIDECAR_SECONDS = 1.0
"""Seconds that external-attacher gives the calls that must not wait."""


async def _ready(co: CsiClient) -> bool:
    answer: csi_pb2.ProbeResponse = await co.identity.Probe(csi_pb2.ProbeRequest(), timeout=SIDECAR_SECONDS)
    return answer.ready.value


async def test_a_driver_that_comes_late_is_waited_for(fleet: Fleet, driver: str, tmp_path: Path) -> None:
    endpoint, folder = f"unix://{tmp_path}/front.sock", tmp_path / "late"
    folder.mkdir()
    worker = await fleet.start(csi_endpoint=endpoint, driver_endpoint=f"unix://{folder}/csi.sock")
    await worker.answers(503, "The driver behind the CSI endpoint has not been reached yet")
    async with csi_client(endpoint) as co:
        assert not await _ready(co)
        with refused(StatusCode.UNAVAILABLE, "has not reported its name"):
            await co.identity.GetPluginInfo(csi_pb2.GetPluginInfoRequest(), timeout=SIDECAR_SECONDS)
        async with ReferenceDriver.start(folder, "--name", driver):
            await worker.ready()
            assert await _ready(co)


async def test_without_temporal_what_a_sidecar_must_know_is_answered_and_a_publish_is_not(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.create("vol")
    port, database, endpoint = free_port(), tmp_path / "temporal.db", f"unix://{tmp_path}/csi.sock"
    async with open_fleet(f"127.0.0.1:{port}", cluster, tmp_path) as fleet, csi_client(endpoint) as co:
        async with DevTemporal.start(port=port, database=database) as server:
            worker = await fleet.start(csi_endpoint=endpoint)
            await worker.ready()
            await server.child.kill()
            assert await _ready(co)
            await co.controller.ControllerGetCapabilities(csi_pb2.ControllerGetCapabilitiesRequest(), timeout=SIDECAR_SECONDS)
            with refused(StatusCode.UNAVAILABLE, "vol", "Temporal"):
                await co.publish("vol", "node-a", deadline=3)

        async with DevTemporal.start(port=port, database=database):
            await worker.ready()
            assert await co.publish("vol", "node-a", deadline=30) == {}

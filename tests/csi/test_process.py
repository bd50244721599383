"""The endpoint as a process: with its worker, and alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from mooring.csi.wire import csi_pb2
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, csi_client, goes_on
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.patience import PATIENCE
from tests.harness.processes import Fleet


async def _ready(co: CsiClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while not (await co.identity.Probe(csi_pb2.ProbeRequest(), wait_for_ready=True)).ready.value:
            await asyncio.sleep(0.1)


async def test_one_process_is_endpoint_and_worker(fleet: Fleet, cluster: Cluster, tmp_path: Path) -> None:
    await cluster.create("vol-1")
    endpoint = f"unix://{tmp_path}/csi.sock"
    await fleet.start(csi_endpoint=endpoint)
    async with csi_client(endpoint) as co:
        await _ready(co)
        await co.publish("vol-1", "node-a")

    assert await cluster.holder("vol-1") == "node-a"


async def test_alone_it_leaves_the_work_to_a_worker(fleet: Fleet, cluster: Cluster, tmp_path: Path) -> None:
    await cluster.create("vol-1")
    endpoint = f"unix://{tmp_path}/csi.sock"
    front = await fleet.start(csi_endpoint=endpoint, csi_only=True, log_format="json")
    async with csi_client(endpoint) as co:
        await _ready(co)
        assert "vol-1" in await goes_on(lambda deadline: co.publish("vol-1", "node-a", deadline=deadline))
        await fleet.start()
        await co.publish("vol-1", "node-a")

    assert await cluster.holder("vol-1") == "node-a"
    entries = [json.loads(line) for line in front.child.log.read_text().splitlines()]
    [late] = [entry for entry in entries if entry.get("operation") == "ControllerPublishVolume"]
    assert (late["volume"], late["node"]) == ("vol-1", "node-a")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("other.csi.example", "MOORING_DRIVER is"),
        ("driver.example-", "ends with a letter or a digit"),
        ("driver.example\n", "ends with a letter or a digit"),
    ],
)
async def test_another_driver_than_the_one_that_was_set_ends_it(fleet: Fleet, tmp_path: Path, name: str, told: str) -> None:
    async with ReferenceDriver.start(tmp_path, "--name", name) as reference:
        endpoint = f"unix://{tmp_path}/front.sock"
        async with fleet.own(csi_endpoint=endpoint, driver_endpoint=reference.endpoint) as worker:
            await worker.child.exits(2)
            await worker.child.says(told)

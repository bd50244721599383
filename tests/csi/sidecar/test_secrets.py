"""Secrets of a request reach the driver and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson
from grpc import StatusCode
from temporalio.client import Client

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, csi_client, goes_on, mount, refused
from tests.harness.driver.controller import publish_context
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.orders import Order
from tests.harness.processes import Fleet
from tests.harness.sidecar import fronting

CANARY = f"canary-{uuid.uuid4().hex}"
SECRETS = {"secret": CANARY}


@pytest.fixture(scope="module")
def driver() -> str:
    return "secretive.csi.example"


@pytest.fixture(scope="module")
async def secretive(driver: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReferenceDriver]:
    """A driver that refuses calls without the canary."""
    folder = tmp_path_factory.mktemp("secretive")
    async with ReferenceDriver.start(folder, "--name", driver, "--expect-secret", CANARY) as started:
        yield started


@pytest.fixture
async def sidecar(
    temporal_client: Client, account: ApiServer, secretive: ReferenceDriver, tmp_path: Path
) -> AsyncIterator[CsiClient]:
    """Mooring in front of it, started again for each test: nothing is handed over yet."""
    async with fronting(temporal_client, account.kubeconfig(), secretive.endpoint, tmp_path) as co:
        yield co


async def _told(client: Client, driver: str, volume: str) -> str:
    """Return every history of the volume, and its payloads decoded."""
    query = f"CsiDriver = '{driver}' and VolumeId = '{volume}'"
    events = [
        MessageToJson(event)
        async for run in client.list_workflows(query)
        async for event in client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history_events()
    ]
    payloads = re.findall(r'"data": "([^"]+)"', "".join(events))
    return "".join([*events, *(base64.b64decode(payload).decode(errors="replace") for payload in payloads)])


async def test_they_reach_the_driver_and_no_history_annotation_or_log(
    sidecar: CsiClient,
    secretive: ReferenceDriver,
    cluster: Cluster,
    temporal_client: Client,
    driver: str,
    volume: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    assert await sidecar.publish(volume, "node-a", secrets=SECRETS) == publish_context(volume, "node-a")
    annotations = await cluster.annotations(volume)
    secretive.order(Order(rpc="publish", volume=volume, fail="UNAVAILABLE", times=1))
    await sidecar.publish(volume, "node-a", secrets=SECRETS)
    await sidecar.unpublish(volume, "node-a", secrets=SECRETS)

    told = await _told(temporal_client, driver, volume)
    assert "record_attachment" in told
    assert CANARY not in told + json.dumps(annotations) + caplog.text
    assert volume not in secretive.attached()


async def test_wrong_ones_are_told_at_once_and_leave_nothing(sidecar: CsiClient, cluster: Cluster, volume: str) -> None:
    with refused(StatusCode.UNAUTHENTICATED, volume, "controllerPublishSecretRef"):
        await sidecar.publish(volume, "node-a", secrets={"secret": "wrong"})

    assert await cluster.holder(volume) is None


async def test_mount_flags_reach_the_driver_and_no_history(
    sidecar: CsiClient, temporal_client: Client, driver: str, volume: str
) -> None:
    flags = mount(flags=(f"password={CANARY}",))
    await sidecar.publish(volume, "node-a", volume_capability=flags, secrets=SECRETS)

    assert CANARY not in await _told(temporal_client, driver, volume)


async def test_an_operation_that_has_lost_them_goes_on_with_the_next_call(
    temporal_client: Client, account: ApiServer, secretive: ReferenceDriver, cluster: Cluster, volume: str, tmp_path: Path
) -> None:
    hold = secretive.order(Order(rpc="publish", volume=volume, fail="UNAVAILABLE"))
    (tmp_path / "first").mkdir()
    async with fronting(temporal_client, account.kubeconfig(), secretive.endpoint, tmp_path / "first") as co:
        await goes_on(lambda deadline: co.publish(volume, "node-a", secrets=SECRETS, deadline=deadline))
    secretive.withdraw(hold)
    (tmp_path / "second").mkdir()
    async with fronting(temporal_client, account.kubeconfig(), secretive.endpoint, tmp_path / "second") as co:
        await asyncio.sleep(1)
        assert volume not in secretive.attached()
        assert await co.publish(volume, "node-a", secrets=SECRETS) == publish_context(volume, "node-a")


async def test_a_process_shows_them_in_no_log_and_no_metric(
    fleet: Fleet, secretive: ReferenceDriver, volume: str, tmp_path: Path
) -> None:
    endpoint = f"unix://{tmp_path}/process.sock"
    worker = await fleet.start(csi_endpoint=endpoint, driver_endpoint=secretive.endpoint, log_level="DEBUG")
    async with csi_client(endpoint) as co:
        await worker.ready()
        secretive.order(Order(rpc="publish", volume=volume, fail="UNAVAILABLE", times=1))
        await co.publish(volume, "node-a", secrets=SECRETS, volume_capability=mount(flags=(f"password={CANARY}",)))
        await co.unpublish(volume, "node-a", secrets=SECRETS)
    log, (_, metrics) = worker.child.log.read_text(), await worker.ask("/metrics")

    assert (volume in log, "mooring_operations" in metrics) == (True, True)
    assert CANARY not in log + metrics

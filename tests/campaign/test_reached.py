"""Every failpoint lies on the way of a worker that does its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from grpc import StatusCode
from prometheus_client import CollectorRegistry
from temporalio.client import Client

from mooring.csi.sidecar import open_sidecar
from mooring.process.metrics import Metrics
from mooring.reconciliation.schedule import ReconcileSchedule
from mooring.settings import Settings
from tests.campaign.failpoints import POINTS, Failpoints
from tests.campaign.worker import SkewedClock, failing_worker
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, csi_client, refused
from tests.harness.dead_node import TAINT, DeadNode
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.orders import Order
from tests.harness.patient import PatientClient, patient
from tests.harness.workers import own_client, ready

BOUND = 90


@asynccontextmanager
async def failing(
    points: Failpoints, client: Client, cluster: Cluster, driver: ReferenceDriver, folder: Path
) -> AsyncIterator[CsiClient]:
    """Run the campaign's worker in this process, in front of the driver."""
    asked = Settings(csi_endpoint=f"unix://{folder}/front.sock", driver_endpoint=driver.endpoint)
    async with open_sidecar(asked) as sidecar:
        met = await sidecar.meet_driver(asked)
        sockets = {"csi_endpoint": asked.csi_endpoint, "driver_endpoint": asked.driver_endpoint}
        often = {"reconcile_interval": 1, "reconcile_settle": 0.2, "heal": "off"}
        settings = patient(met.driver, node_check="csinode", **sockets, **often)
        metrics, clock = Metrics(CollectorRegistry()), SkewedClock(folder / "skew")
        own, kubeconfig = await own_client(client), cluster.proxy.kubeconfig()
        async with failing_worker(points, clock, settings, sidecar, kubeconfig, own, metrics) as worker:
            stop = asyncio.Event()
            running = asyncio.create_task(worker.run(stop))
            try:
                await ready(worker, running)
                async with csi_client(settings.csi_endpoint) as co:
                    yield co
            finally:
                stop.set()
                await running
                await ReconcileSchedule(settings.driver, settings.queue, interval=0, pauses=0).keep(client)


@pytest.mark.timeout(300)
async def test_each_failpoint_is_reached(temporal_client: Client, cluster: Cluster, driver: str, tmp_path: Path) -> None:
    points, mooring = Failpoints(tmp_path), PatientClient(temporal_client, driver=driver)
    async with ReferenceDriver.start(tmp_path, "--name", driver) as storage:
        async with failing(points, temporal_client, cluster, storage, tmp_path) as co:
            node, other = (DeadNode(cluster, temporal_client, mooring, f"node-{which}", f"m{which}") for which in "ab")
            await node.admit()
            await other.admit()
            await _publish_and_unpublish(co, cluster)
            await _roll_back(co, cluster, storage)
            await _wait_for_pvs(mooring, cluster)
            await node.hold("held")
            with refused(StatusCode.FAILED_PRECONDITION):
                await co.publish("held", "node-b")
            with refused(StatusCode.NOT_FOUND):
                await co.publish("held", "node-of-nobody")
            await node.taint(TAINT)
            await _reached(points)


async def _publish_and_unpublish(co: CsiClient, cluster: Cluster) -> None:
    await cluster.create("vol")
    await co.publish("vol", "node-a")
    await co.unpublish("vol", "node-a")


async def _roll_back(co: CsiClient, cluster: Cluster, storage: ReferenceDriver) -> None:
    await cluster.create("bad")
    storage.order(Order(rpc="publish", volume="bad", fail="INTERNAL"))
    with refused(StatusCode.INTERNAL):
        await co.publish("bad", "node-a")


async def _wait_for_pvs(mooring: PatientClient, cluster: Cluster) -> None:
    await mooring.publish("late", "node-a")
    await mooring.publish("never", "node-a")
    await cluster.create("late")
    await mooring.unpublish("never", "node-a")


async def _reached(points: Failpoints) -> None:
    missing = [*POINTS]
    try:
        async with asyncio.timeout(BOUND):
            while missing := [point for point in POINTS if not points.reached[point]]:
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"never reached: {missing}") from None

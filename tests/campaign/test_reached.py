"""Every failpoint lies on the way of a worker that does its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from grpc import StatusCode
from prometheus_client import CollectorRegistry
from temporalio.client import Client

from mooring import names
from mooring.csi.sidecar import open_sidecar
from mooring.errors import BackendFailed, Disputed
from mooring.models import AccessMode, AccessType, Attachment, PersistInput, PublishRequest, VolumeRef
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
        often = {"reconcile_interval": 1, "reconcile_settle": 0.2, "evacuate_at_once": 1, "migration_nodes": 2}
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
            await _outwait(mooring, temporal_client, driver, points)
            await _roll_back_beside_another_record(mooring, cluster, storage)
            await _migrate(mooring, cluster)
            await _fail_to_clear(mooring, cluster, points)
            await node.hold("held-1", "held-2")
            with refused(StatusCode.FAILED_PRECONDITION):
                await co.publish("held-1", "node-b")
            with refused(StatusCode.NOT_FOUND):
                await co.publish("held-1", "node-of-nobody")
            await _lose_release(node, storage, points)
            await _reached(points, set(POINTS))


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


async def _outwait(mooring: PatientClient, client: Client, driver: str, points: Failpoints) -> None:
    """Have a publish meet a hold that an operator has cancelled, and that lingers."""
    volume = VolumeRef(driver=driver, volume_handle="ending")
    held = Attachment(node_id="node-a", attached_at=datetime.now(UTC))
    hold = await client.start_workflow(
        names.PERSIST,
        PersistInput(volume=volume, attachment=held, operation=str(uuid4())),
        id=names.unpersisted_id(volume),
        task_queue=f"nobody-{driver}",
        memo={names.ATTACHMENT_MEMO: held},
    )
    await hold.cancel()
    publish = asyncio.create_task(mooring.publish("ending", "node-b"))
    await _reached(points, {"activity.outwait_unpersisted.before"})
    await hold.terminate()
    with pytest.raises(Disputed):  # a hold that was terminated leaves its node with the volume
        await publish
    await mooring.unpublish("ending", "node-a")


async def _roll_back_beside_another_record(mooring: PatientClient, cluster: Cluster, storage: ReferenceDriver) -> None:
    """Have a publish fail whose volume gets a PV meanwhile that says the node has it by another operation."""
    held = storage.order(Order(rpc="publish", volume="odd", hold="before", fail="INTERNAL", times=1))
    storage.order(Order(rpc="publish", volume="odd", fail="INTERNAL"))
    publish = asyncio.create_task(mooring.publish("odd", "node-a"))
    async with asyncio.timeout(BOUND):
        while not [entry for entry in storage.entries() if entry.call.volume == "odd"]:
            await asyncio.sleep(0.1)
    record = {cluster.keys.node: "node-a", cluster.keys.epoch: "5", cluster.keys.operation: str(uuid4())}
    await cluster.create("odd", record)
    storage.withdraw(held)
    with pytest.raises(BackendFailed):
        await publish


async def _migrate(mooring: PatientClient, cluster: Cluster) -> None:
    await cluster.create("vm", modes=("ReadWriteMany",))
    for node in ("node-a", "node-b"):
        asked = PublishRequest(
            driver=cluster.driver,
            volume_handle="vm",
            node_id=node,
            access_mode=AccessMode.MULTI_NODE_MULTI_WRITER,
            access_type=AccessType(block=True),
        )
        await mooring.request_publish(asked, deadline=BOUND)
    await mooring.unpublish("vm", "node-a")
    await mooring.unpublish("vm", "node-b")


async def _fail_to_clear(mooring: PatientClient, cluster: Cluster, points: Failpoints) -> None:
    """Have an unpublish leave a record, which the next reconciliation heals, before anything else clears it."""
    await cluster.create("stays")
    await mooring.publish("stays", "node-a")
    cluster.proxy.fail("PATCH", path=cluster.pv("stays"), status=400, times=1)
    assert not (await mooring.unpublish("stays", "node-a")).annotation_cleared
    await _reached(points, {"activity.heal_drift.after"})


async def _lose_release(node: DeadNode, storage: ReferenceDriver, points: Failpoints) -> None:
    """Have the first of two volumes of a dead node released without an answer."""
    first, second = (storage.order(Order(rpc="unpublish", volume=volume, hold="before")) for volume in ("held-1", "held-2"))
    await node.taint(TAINT)
    await _reached(points, {"activity.release_volume.before"})
    await node.lose_release("held-1")
    storage.withdraw(first)
    async with asyncio.timeout(BOUND):
        while await node.holders("held-1") != [None]:
            await asyncio.sleep(0.1)
    storage.withdraw(second)


async def _reached(points: Failpoints, wanted: set[str]) -> None:
    missing = sorted(wanted)
    try:
        async with asyncio.timeout(BOUND):
            while missing := [point for point in missing if not points.reached[point]]:
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"never reached: {missing}") from None

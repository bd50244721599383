"""A worker while Kubernetes or Temporal is away, from its start or later: it waits, reports that, and serves again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.devstack.ports import free_port
from mooring.devstack.temporal import DevTemporal
from mooring.settings import default_task_queue
from mooring.temporal.runs import workers_of
from tests.harness.cluster import PVS, Cluster
from tests.harness.patience import PATIENCE
from tests.harness.processes import Fleet, open_fleet
from tests.harness.workers import indexed
from worker import MooringWorker


async def rebuilds(client: Client, driver: str) -> set[str]:
    """Return the id of the run in which each worker of the driver last rebuilt its index."""
    workers = await workers_of(client, default_task_queue(driver))
    runs = [await client.get_workflow_handle(names.rebuild_id(driver, worker)).describe() for worker in workers]
    return {run.run_id for run in runs}


async def test_a_worker_that_starts_without_kubernetes_lives_is_not_ready_says_why_and_polls_nothing(
    fleet: Fleet, cluster: Cluster, temporal_client: Client
) -> None:
    with cluster.proxy.outage():
        worker = await fleet.start()
        said = await worker.answers(503, "rebuilt")

        assert said == "The index is not rebuilt yet; RebuildAttachments in the Temporal UI shows why."
        assert (await worker.ask("/livez"))[0] == 200
        assert await workers_of(temporal_client, default_task_queue(cluster.driver)) == []


async def test_a_worker_that_started_without_kubernetes_is_ready_by_itself_when_it_is_back(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    with cluster.proxy.outage():
        worker = await fleet.start()
        await worker.answers(503, "rebuilt")
    await worker.ready()

    assert (await mooring.publish("vol", "node-a")).persisted


async def test_a_publish_asked_for_while_no_worker_is_ready_is_done_when_one_is(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    with cluster.proxy.outage():
        worker = await fleet.start()
        await worker.answers(503, "rebuilt")
        publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=30))
        await asyncio.sleep(0)

    assert (await publish).persisted


async def test_a_worker_rides_out_a_temporal_server_that_comes_late_dies_and_comes_back(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.create("vol")
    port, database = free_port(), tmp_path / "temporal.db"
    async with open_fleet(f"127.0.0.1:{port}", cluster, tmp_path) as fleet:
        worker = await fleet.start()
        said = await worker.answers(503, "Temporal")
        assert said.startswith("Temporal has not been reached yet")
        assert (await worker.ask("/livez"))[0] == 200

        async with DevTemporal.start(port=port, database=database) as server:
            await worker.ready()
            mooring = MooringClient(await server.connect(), driver=cluster.driver)
            published = await mooring.publish("vol", "node-a", deadline=30)
            await server.child.kill()
            await worker.answers(503, "Temporal can't be reached")
            assert (await worker.ask("/livez"))[0] == 200

        async with DevTemporal.start(port=port, database=database) as server:
            await worker.ready()
            mooring = MooringClient(await server.connect(), driver=cluster.driver)
            again = await mooring.publish("vol", "node-a", deadline=30)

    assert (again.reclaimed, again.attached_at) == (True, published.attached_at)


async def test_a_worker_waits_for_its_namespace_and_says_how_to_create_it(
    fleet: Fleet, temporal_client: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"late-{cluster.driver.split('.')[0]}"
    monkeypatch.setenv("TEMPORAL_NAMESPACE", name)
    worker = await fleet.start()

    said = await worker.answers(503, "no namespace")

    assert f"There is no namespace {name}." in said
    assert f"`temporal operator namespace create --namespace {name} --retention 168h`" in said
    asked = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=86400))
    await temporal_client.workflow_service.register_namespace(asked)
    await worker.ready()


async def test_a_configuration_of_temporal_that_cant_be_used_is_said_and_tried_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for kind in ("CERT", "KEY"):
        monkeypatch.setenv(f"TEMPORAL_TLS_CLIENT_{kind}_PATH", str(tmp_path / "nowhere.pem"))
    worker = await fleet.start()

    assert "nowhere.pem" in await worker.answers(503, "nowhere.pem")
    assert (await worker.ask("/livez"))[0] == 200


async def test_a_watch_whose_history_is_gone_leads_to_a_new_rebuild_and_a_current_index(
    worker: MooringWorker, cluster: Cluster, temporal_client: Client
) -> None:
    before = await rebuilds(temporal_client, cluster.driver)
    cluster.proxy.fail("WATCH", path=PVS, status=410, times=1)
    cluster.proxy.cut_watches()
    await cluster.create("new")

    await indexed(worker, "new")

    assert await rebuilds(temporal_client, cluster.driver) != before


async def test_the_old_index_serves_while_a_rebuild_has_to_wait(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    cluster.proxy.fail("WATCH", path=PVS, status=410, times=1)
    lists = cluster.proxy.fail("GET", status=503)
    cluster.proxy.cut_watches()
    async with asyncio.timeout(PATIENCE):
        while not lists.seen:
            await asyncio.sleep(0.02)

    assert (await mooring.publish("vol", "node-a")).persisted
    assert await worker.missing() == []


async def test_a_watch_that_is_cut_again_and_again_misses_nothing(worker: MooringWorker, cluster: Cluster) -> None:
    for number in range(10):
        await cluster.create(f"vol-{number}", {cluster.keys.node: "node-a", cluster.keys.epoch: "1"})
        cluster.proxy.cut_watches()
        await cluster.annotate(f"vol-{number}", {cluster.keys.node: "node-b", cluster.keys.epoch: "2"})
    await cluster.delete("vol-0")
    wanted = {(f"vol-{number}", "node-b", 2) for number in range(1, 10)}

    async with asyncio.timeout(PATIENCE):
        while {(each.volume_handle, each.held.node, each.epoch) for each in worker.manager.list_attachments()} != wanted:
            await asyncio.sleep(0.05)

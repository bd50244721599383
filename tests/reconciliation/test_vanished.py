"""Records that vanished: a reconciliation reports them, and leaves them to an operator."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.departed_volumes import delete_seen
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.workers import indexed, running_worker, until
from tests.reconciliation.conftest import Reconcile, found, settling
from worker import MooringWorker


@pytest.fixture
async def worker(temporal_client: Client, cluster: Cluster, driver: str) -> AsyncIterator[MooringWorker]:
    """A ready worker whose endpoint no CO uses."""
    async with running_worker(temporal_client, settling(driver, adopt_interval=0.1), cluster.proxy.kubeconfig()) as running:
        yield running


@pytest.mark.parametrize("anew", [True, False])
async def test_a_holder_whose_pv_went_is_reported_until_it_is_unpublished(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile, anew: bool
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await delete_seen(worker, cluster, "vol")
    if anew:
        await cluster.create("vol")
        await indexed(worker, "vol")

    result = await reconcile()

    assert (result.state, found(result)) == (State.DRIFTED, [("departed_holder", "vol", "node-a", "left")])
    assert f"PersistentVolume {cluster.pv('vol')} of volume vol was deleted" in result.drifts[0].why
    assert "`mooring unpublish vol node-a`" in result.drifts[0].advice
    await mooring.unpublish("vol", "node-a")
    await until(lambda: not worker.manager.departures.open())
    assert (await reconcile()).state is State.IN_STEP


async def test_a_holder_whose_pv_went_is_told_with_the_volume_attachment_that_speaks_for_it(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    name = await existing.attach("vol", "node-a", noted="node-a")
    await delete_seen(worker, cluster, "vol")

    result = await reconcile()

    assert found(result) == [("departed_holder", "vol", "node-a", "left")]
    assert (result.drifts[0].volume_attachment, name in result.drifts[0].why) == (name, True)


async def test_a_holder_whose_pv_was_made_anew_is_recorded_where_its_volume_attachment_is_there(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await existing.attach("vol", "node-a", noted="node-a")
    await delete_seen(worker, cluster, "vol")
    await cluster.create("vol")
    await indexed(worker, "vol")

    result = await reconcile()

    assert found(result) == [("volume_attachment_without_holder", "vol", "node-a", "healed")]
    assert (await cluster.holder("vol"), await cluster.epoch("vol")) == ("node-a", 2)


async def test_a_volume_attachment_of_no_known_pv_is_reported_by_its_name(
    worker: MooringWorker, existing: ExistingCluster, reconcile: Reconcile
) -> None:
    names = sorted([await existing.attach(volume, "node-a", noted="node-a") for volume in ("one", "other")])

    result = await reconcile()

    assert found(result) == [("unplaced_volume_attachment", "", "node-a", "left")] * 2
    assert sorted(drift.volume_attachment for drift in result.drifts) == names


@pytest.mark.parametrize("epoch", [None, "1"])
async def test_a_record_that_says_less_than_it_did_is_reported_and_nothing_else_of_its_volume(
    worker: MooringWorker,
    cluster: Cluster,
    existing: ExistingCluster,
    mooring: MooringClient,
    reconcile: Reconcile,
    epoch: str | None,
) -> None:
    keys = cluster.keys
    await cluster.create("vol")
    for _ in range(3):
        await mooring.publish("vol", "node-a")
    await existing.attach("vol", "node-a", noted="node-a")
    gone = dict.fromkeys((keys.node, keys.at, keys.operation, keys.attachments))
    await cluster.annotate("vol", {**gone, keys.epoch: epoch})

    result = await reconcile()

    assert found(result) == [("altered_record", "vol", "node-a", "left")]
    assert "it was at epoch 3, held by node node-a" in result.drifts[0].why
    assert "`mooring explain vol`" in result.drifts[0].advice
    assert await cluster.holder("vol") is None


async def test_a_record_that_was_put_back_is_in_step(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    keys = cluster.keys
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await cluster.annotate("vol", dict.fromkeys((keys.node, keys.at, keys.epoch, keys.operation)))
    assert found(await reconcile()) == [("altered_record", "vol", "node-a", "left")]

    await cluster.annotate("vol", {keys.node: "node-a", keys.epoch: "2"})

    assert (await reconcile()).state is State.IN_STEP

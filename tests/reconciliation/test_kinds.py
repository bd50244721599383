"""Each kind of drift, found in a living cluster, and healed where that is safe."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.records.store import Change, ChangeKind
from mooring.states import State
from tests.harness.cluster import PVS, Cluster
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.records import SHARED, cached
from tests.harness.workers import indexed, running_worker, until
from tests.reconciliation.conftest import Reconcile, found, settling
from worker import MooringWorker


@pytest.fixture
async def worker(temporal_client: Client, cluster: Cluster, driver: str) -> AsyncIterator[MooringWorker]:
    """A ready worker whose endpoint no CO uses."""
    async with running_worker(temporal_client, settling(driver), cluster.proxy.kubeconfig()) as running:
        yield running


async def test_what_agrees_is_in_step(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    for volume in ("free", "held"):
        await cluster.create(volume)
    await indexed(worker, "held")
    await mooring.publish("held", "node-a")
    await existing.attach("held", "node-a")

    result = await reconcile()

    assert (result.state, result.counts, result.compared, result.drifts) == (State.IN_STEP, {}, 2, ())


async def test_a_holder_is_in_step_where_nobody_makes_volume_attachments(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    assert (await reconcile()).state is State.IN_STEP


async def test_a_holder_that_nobody_asks_for_is_reported_with_advice(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    for volume in ("vol", "other"):
        await cluster.create(volume)
        await mooring.publish(volume, "node-a")
    await existing.attach("other", "node-a")

    result = await reconcile()

    assert found(result) == [("holder_without_volume_attachment", "vol", "node-a", "left")]
    assert (result.state, await cluster.holder("vol")) == (State.DRIFTED, "node-a")
    assert "`mooring unpublish vol node-a`" in result.drifts[0].advice


async def test_what_was_attached_since_and_never_recorded_is_adopted(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, reconcile: Reconcile
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    await existing.attach("vol", "node-a")

    result = await reconcile()

    assert found(result) == [("volume_attachment_without_holder", "vol", "node-a", "healed")]
    assert (result.state, await cluster.holder("vol")) == (State.HEALED, "node-a")


async def test_what_was_released_by_hand_is_not_brought_back(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await existing.attach("vol", "node-a")
    await mooring.unpublish("vol", "node-a")

    result = await reconcile()

    assert found(result) == [("volume_attachment_without_holder", "vol", "node-a", "left")]
    assert await cluster.holder("vol") is None


async def test_a_volume_that_is_said_to_be_elsewhere_is_reported_with_both_nodes(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    attachment = await existing.attach("vol", "node-b")

    result = await reconcile()

    [elsewhere] = [drift for drift in result.drifts if drift.kind == "volume_attachment_elsewhere"]
    assert all(word in elsewhere.why for word in (attachment, "node-a", "node-b"))
    assert elsewhere.outcome == "left"


async def test_a_record_that_stayed_uncleared_is_cleared(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    cluster.proxy.fail("PATCH", status=400, times=1)
    assert not (await mooring.unpublish("vol", "node-a")).annotation_cleared

    result = await reconcile()

    assert found(result) == [("not_cleared", "vol", "node-a", "healed")]
    assert await cluster.holder("vol") is None


async def test_all_nodes_of_a_shared_volume_are_cleared_in_one_go(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    await cluster.create("vol", modes=["ReadWriteMany"])
    for node in ("node-a", "node-b"):
        await mooring.publish("vol", node, access_mode=SHARED)
    cluster.proxy.fail("PATCH", status=400, times=1)
    await mooring.unpublish("vol")

    result = await reconcile()

    assert found(result) == [("not_cleared", "vol", node, "healed") for node in ("node-a", "node-b")]
    assert await cluster.holder("vol") is None


async def test_one_that_was_published_again_since_is_left(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    cluster.proxy.fail("PATCH", status=400, times=1)
    await mooring.unpublish("vol", "node-a")
    await mooring.publish("vol", "node-a")
    await existing.attach("vol", "node-a")

    assert (await reconcile()).state is State.IN_STEP


async def test_a_volume_attachment_by_one_of_several_pvs_asks_for_the_volume(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    await cluster.create("vol", name=f"another-{cluster.pv('vol')}")
    await cluster.create("vol")
    await until(lambda: len(worker.manager.pvs("vol")) == 2)
    await mooring.publish("vol", "node-a")
    await existing.attach("vol", "node-a")

    assert (await reconcile()).state is State.IN_STEP


async def test_a_record_that_can_not_be_read_and_two_pvs_of_one_volume_are_reported(
    worker: MooringWorker, cluster: Cluster, reconcile: Reconcile
) -> None:
    await cluster.create("bad", {cluster.keys.epoch: "many"})
    await cluster.create("twice", {cluster.keys.node: "node-a"})
    await cluster.create("twice", {cluster.keys.node: "node-b"}, name=f"second-{cluster.pv('twice')}")
    await cluster.create("whole")
    await cluster.create("whole", name=f"second-{cluster.pv('whole')}")

    assert found(await reconcile()) == [("duplicate_volume", "twice", "", "left"), ("unreadable_record", "bad", "", "left")]


async def test_an_index_that_lost_a_pv_is_rebuilt(worker: MooringWorker, cluster: Cluster, reconcile: Reconcile) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    [known] = worker.manager.records()
    worker.manager.apply_event(Change(ChangeKind.GONE, known))

    result = await reconcile()

    assert found(result) == [("index_behind", "vol", "", "begun")]
    await until(lambda: worker.manager.pv_name("vol") is not None)


async def test_a_pv_that_the_index_made_up_is_forgotten(worker: MooringWorker, cluster: Cluster, reconcile: Reconcile) -> None:
    worker.manager.apply_event(Change(ChangeKind.SEEN, cached("ghost", pv="pv-of-ghost")))

    assert found(await reconcile()) == [("index_behind", "ghost", "", "begun")]
    await until(lambda: worker.manager.pv_name("ghost") is None)


async def test_where_nothing_is_attached_a_look_costs_two_lists(
    worker: MooringWorker, cluster: Cluster, reconcile: Reconcile
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    before = cluster.proxy.count("*")

    await reconcile()

    assert (cluster.proxy.count("*") - before, cluster.proxy.count("GET", PVS) > 0) == (2, True)

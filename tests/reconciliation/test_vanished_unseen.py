"""Records that vanished while no worker looked: reconciliation learns of their holders from the histories of operations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.cluster.attachment_cache import NoAttachmentCache
from mooring.cluster.node_ids import AnyNode
from mooring.cluster.node_usage import NoNodeUsage
from mooring.cluster.volume_attachments import NoAttachments
from mooring.evidence.evidence import EvidenceReader
from mooring.evidence.unplaced import UnplacedAttachments
from mooring.index.manager import AttachmentManager
from mooring.models import VolumeRef
from mooring.models.reconciliation import ReconcileResult
from mooring.reconciliation.past_runs import MAX_PER_LOOK, PastRuns
from mooring.states import State
from mooring.temporal.visibility import RunVisibility
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.unreadable import end_unreadably
from tests.harness.workers import running_worker
from tests.reconciliation.conftest import Reconcile, found, settling
from worker import MooringWorker

Serving = Callable[[], AbstractAsyncContextManager[MooringWorker]]


@pytest.fixture
def serving(temporal_client: Client, cluster: Cluster) -> Serving:
    """A function that has a worker serve, whose index has seen nothing before."""
    return lambda: running_worker(temporal_client, settling(cluster.driver), cluster.proxy.kubeconfig())


async def until_found(reconcile: Reconcile, wanted: list[tuple[str, str, str, str]]) -> ReconcileResult:
    """Reconcile until that is found, since Temporal's visibility lags by a moment."""
    async with asyncio.timeout(PATIENCE):
        while found(result := await reconcile()) != wanted:
            await asyncio.sleep(0.1)
    return result


@pytest.mark.parametrize("anew", [True, False])
async def test_a_holder_whose_pv_went_while_no_worker_ran_is_reported_until_it_is_unpublished(
    serving: Serving, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile, anew: bool
) -> None:
    await cluster.create("vol")
    async with serving():
        await mooring.publish("vol", "node-a")
    await cluster.delete("vol")
    if anew:
        await cluster.create("vol")

    async with serving():
        result = await until_found(reconcile, [("departed_holder", "vol", "node-a", "left")])
        assert "left it with node-a at epoch 1" in result.drifts[0].why
        assert "`mooring unpublish vol node-a`" in result.drifts[0].advice
        await mooring.unpublish("vol", "node-a")
        assert (await until_found(reconcile, [])).state is State.IN_STEP


async def test_a_record_that_was_stripped_while_no_worker_ran_is_reported(
    serving: Serving, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    keys = cluster.keys
    await cluster.create("vol")
    async with serving():
        await mooring.publish("vol", "node-a")
    await cluster.annotate("vol", dict.fromkeys((keys.node, keys.at, keys.epoch, keys.operation)))

    async with serving():
        result = await until_found(reconcile, [("altered_record", "vol", "node-a", "left")])

    assert f"PersistentVolume {cluster.pv('vol')} of volume vol says no epoch" in result.drifts[0].why
    assert (result.drifts[0].epoch, "held by node node-a" in result.drifts[0].why) == (1, True)


async def test_a_volume_whose_handle_no_workflow_id_holds_is_reported_by_its_handle(
    serving: Serving, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    handle = "vol-" + "x" * 200
    await cluster.create(handle)
    async with serving():
        await mooring.publish(handle, "node-a")
    await cluster.delete(handle)

    async with serving():
        await until_found(reconcile, [("departed_holder", handle, "node-a", "left")])


async def test_a_volume_that_was_unpublished_before_its_pv_went_is_in_step(
    serving: Serving, cluster: Cluster, mooring: MooringClient, reconcile: Reconcile
) -> None:
    for handle in ("held", "free"):
        await cluster.create(handle)
    async with serving():
        for handle in ("free", "held"):
            await mooring.publish(handle, "node-a")
        await mooring.unpublish("free", "node-a")
    for handle in ("held", "free"):
        await cluster.delete(handle)

    async with serving():
        await until_found(reconcile, [("departed_holder", "held", "node-a", "left")])


async def test_what_is_beyond_one_look_is_read_by_later_ones(
    temporal_client: Client, serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    async with serving():
        await cluster.create("held")
        await mooring.publish("held", "node-a")
        for handle in ("free", "another", "last"):
            await cluster.create(handle)
            await mooring.unpublish(handle, "node-a")
    past = past_runs(temporal_client, cluster.driver, volumes=1)

    async with asyncio.timeout(PATIENCE):
        while not (drifts := await past.look({}, set())):
            pass

    assert [(drift.volume_handle, drift.node_id) for drift in drifts] == [("held", "node-a")]
    assert await past.look({}, set()) == drifts


async def test_a_history_that_can_not_be_read_is_told_and_keeps_none_of_the_others(
    temporal_client: Client, serving: Serving, cluster: Cluster, mooring: MooringClient, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving():
        await cluster.create("held")
        await mooring.publish("held", "node-a")
    run = await end_unreadably(temporal_client, names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="strange")))
    past = past_runs(temporal_client, cluster.driver)

    async with asyncio.timeout(PATIENCE):
        while run not in caplog.text:
            drifts = await past.look({}, set())

    assert [(drift.volume_handle, drift.node_id) for drift in drifts] == [("held", "node-a")]


async def test_a_hold_that_was_terminated_is_reported_though_it_was_open_at_an_earlier_look(
    temporal_client: Client, serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    past, runs = past_runs(temporal_client, cluster.driver), RunVisibility(temporal_client, cluster.driver, search_attributes=True)
    async with serving():
        await mooring.publish("vol", "node-a")
        async with asyncio.timeout(PATIENCE):
            while not any(not run.is_open for run in (await runs.newest_listed()).values()):
                await asyncio.sleep(0.1)
        assert await past.look({}, set()) == []
        hold = names.unpersisted_id(VolumeRef(driver=cluster.driver, volume_handle="vol"))
        await temporal_client.get_workflow_handle(hold).terminate()

    assert [(drift.volume_handle, drift.node_id) for drift in await past.look({}, set())] == [("vol", "node-a")]


def past_runs(client: Client, driver: str, volumes: int = MAX_PER_LOOK) -> PastRuns:
    """Return a survey of the histories of a driver whose index has seen nothing."""
    runs = RunVisibility(client, driver, search_attributes=True)
    manager, attached, attachments = AttachmentManager(), NoAttachmentCache(), NoAttachments()
    unplaced = UnplacedAttachments(manager, attached, attachments, NoNodeUsage())
    return PastRuns(runs, EvidenceReader(driver, client, manager, attached, attachments, AnyNode(), timedelta(), unplaced), volumes)

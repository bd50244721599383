"""A live migration: two nodes hold a block volume for a while, and one of them keeps it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities.migrations import MigrationActivities
from mooring.client import MooringClient
from mooring.cluster.record_list import volumes_of
from mooring.errors import BackendFailed, HeldElsewhere
from mooring.kubernetes.connection import connect
from mooring.models import VolumeRef
from mooring.states import State
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.details import SINCE, details
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker
from tests.workflows.migration.conftest import Publish, Watch, shown
from worker import MooringWorker


@pytest.fixture
async def limited(temporal_client: Client, cluster: Cluster) -> AsyncIterator[MooringWorker]:
    """A worker that lets two nodes share a block volume."""
    settings = quick(cluster.driver, migration_nodes=2)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()) as running:
        yield running


async def test_the_node_that_stays_becomes_the_first_holder(
    limited: MooringWorker, cluster: Cluster, mooring: MooringClient, publish: Publish, watch: Watch
) -> None:
    await cluster.create("vm")
    await publish("node-a")
    await publish("node-b")
    assert await cluster.holder("vm") == "node-a"

    await mooring.unpublish("vm", "node-a")
    result = await watch.result()

    assert await cluster.holder("vm") == "node-b"
    assert (result.from_nodes, result.to_node, result.stays, result.overdue) == (("node-a",), "node-b", "node-b", False)
    assert await shown(watch) == State.MIGRATED


async def test_one_that_is_called_off_ends_where_it_began(
    limited: MooringWorker, cluster: Cluster, mooring: MooringClient, publish: Publish, watch: Watch
) -> None:
    await cluster.create("vm")
    await publish("node-a")
    await publish("node-b")

    await mooring.unpublish("vm", "node-b")

    assert "where it began" in (await watch.result()).message
    assert await cluster.holder("vm") == "node-a"


async def test_one_whose_second_publish_is_rolled_back_ends_where_it_began(
    temporal_client: Client, cluster: Cluster, publish: Publish, watch: Watch, backend: JournalBackend
) -> None:
    settings = quick(cluster.driver, migration_nodes=2, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend):
        await cluster.create("vm")
        await publish("node-a")
        backend.publish_errors = [refusal()]
        with pytest.raises(BackendFailed):
            await publish("node-b")

        assert (await watch.result()).stays == "node-a"


async def test_a_third_node_is_refused_by_a_limit_that_is_set(limited: MooringWorker, cluster: Cluster, publish: Publish) -> None:
    await cluster.create("vm")
    await publish("node-a")
    await publish("node-b")

    with pytest.raises(HeldElsewhere, match=r"node-a and node-b.*MOORING_MIGRATION_NODES=2"):
        await publish("node-c")


async def test_the_third_node_is_admitted_once_the_first_has_let_go(
    limited: MooringWorker, cluster: Cluster, mooring: MooringClient, publish: Publish
) -> None:
    await cluster.create("vm")
    await publish("node-a")
    await publish("node-b")
    await mooring.unpublish("vm", "node-a")

    await publish("node-c")

    assert await cluster.holder("vm") == "node-b"


async def test_one_node_alone_is_not_watched(limited: MooringWorker, cluster: Cluster, publish: Publish, watch: Watch) -> None:
    await cluster.create("vm")
    await publish("node-a")
    await publish("node-a")

    with pytest.raises(RPCError, match="not found"):
        await watch.describe()


async def test_past_its_deadline_it_is_said_to_be_overdue_and_nothing_is_detached(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, publish: Publish, watch: Watch
) -> None:
    settings = quick(cluster.driver, migration_deadline=0.5, migration_nodes=2)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await cluster.create("vm")
        await publish("node-a")
        await publish("node-b")
        async with asyncio.timeout(PATIENCE):
            while await shown(watch) != State.MIGRATION_OVERDUE:
                await asyncio.sleep(0.05)
        with pytest.raises(HeldElsewhere):
            await publish("node-c")
        await mooring.unpublish("vm", "node-a")

        assert (await watch.result()).overdue


async def test_a_watch_that_was_terminated_is_begun_again_by_the_next_publish(
    limited: MooringWorker, cluster: Cluster, publish: Publish, watch: Watch
) -> None:
    await cluster.create("vm")
    await publish("node-a")
    await publish("node-b")
    await watch.terminate()

    await publish("node-b")

    assert (await watch.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_the_watch_goes_on_in_the_next_worker(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, publish: Publish, watch: Watch
) -> None:
    settings = quick(cluster.driver, migration_nodes=2)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await cluster.create("vm")
        await publish("node-a")
        await publish("node-b")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await mooring.unpublish("vm", "node-a")

        assert (await watch.result()).stays == "node-b"


async def test_nodes_that_share_a_volume_for_good_occupy_no_worker(
    limited: MooringWorker, cluster: Cluster, publish: Publish
) -> None:
    await cluster.create("vm")
    await publish("node-a")
    await publish("node-b")
    later = ActivityEnvironment()
    later.info = replace(later.info, attempt=2)

    api = await connect(cluster.proxy.kubeconfig(), {}, 5.0)
    activities = MigrationActivities(
        limited.manager, volumes_of(api, cluster.driver, lambda: datetime.now(UTC)), waits=1, limited=True
    )
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ApplicationError, match="is checked again") as waits:
            await later.run(activities.wait, VolumeRef(driver=cluster.driver, volume_handle="vm"))
    await api.close()

    assert not waits.value.non_retryable


async def test_without_a_deadline_it_is_never_overdue(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, publish: Publish, watch: Watch
) -> None:
    settings = quick(cluster.driver, migration_deadline=0, migration_nodes=2)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await cluster.create("vm")
        await publish("node-a")
        await publish("node-b")
        await mooring.unpublish("vm", "node-a")

        assert not (await watch.result()).overdue
        timers = [
            event.event_id for event in (await watch.fetch_history()).events if event.HasField("timer_started_event_attributes")
        ]
        assert timers == []


async def test_the_ui_shows_that_an_overdue_migration_still_waits_since_when_and_between_which_nodes(
    temporal_client: Client, cluster: Cluster, publish: Publish, watch: Watch
) -> None:
    settings = quick(cluster.driver, migration_nodes=2, migration_deadline=0.1)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await cluster.create("vm")
        await publish("node-a")
        await publish("node-b")
        shown = await details(watch, State.MIGRATION_OVERDUE, "is not over after")
        await watch.terminate()

    assert re.search(f"{SINCE}.*one node holds the volume", shown)
    assert all(each in shown for each in ("node-a", "node-b", "`mooring explain vm`"))

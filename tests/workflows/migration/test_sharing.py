"""Without a limit any number of nodes share a raw block volume, which is no migration: nothing is watched or called overdue."""

from __future__ import annotations

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.workers import quick, running_worker
from tests.workflows.migration.conftest import Publish, Watch, shown
from worker import MooringWorker


async def test_nodes_that_share_it_are_not_watched(worker: MooringWorker, cluster: Cluster, publish: Publish, watch: Watch) -> None:
    await cluster.create("vm")
    for node in ("node-a", "node-b", "node-c", "node-b"):
        await publish(node)

    assert await cluster.epoch("vm") == 4
    with pytest.raises(RPCError, match="not found"):
        await watch.describe()


async def test_a_watch_from_before_the_limit_was_lifted_ends_and_takes_nothing_from_anybody(
    temporal_client: Client, cluster: Cluster, publish: Publish, watch: Watch
) -> None:
    limited, unlimited = (quick(cluster.driver, migration_deadline=0.5, migration_nodes=nodes) for nodes in (2, 0))
    await cluster.create("vm")
    async with running_worker(temporal_client, limited, cluster.proxy.kubeconfig()):
        await publish("node-a")
        await publish("node-b")
    async with running_worker(temporal_client, unlimited, cluster.proxy.kubeconfig()) as worker:
        result = await watch.result()

        assert worker.manager.nodes_of("vm") == ["node-a", "node-b"]
    assert "any number of nodes may hold the volume, and node-a and node-b do" in result.message
    assert (result.stays, await shown(watch)) == ("", State.SHARED)

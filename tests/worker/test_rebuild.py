"""A rebuild equals the memory before the kill, and malformed PVs cost nothing but themselves."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.errors import MalformedRecord
from mooring.index.manager import IndexedAttachment
from mooring.models import AccessMode, RebuildResult
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker
from worker import MooringWorker

RWX: Final = AccessMode.MULTI_NODE_MULTI_WRITER


@pytest.fixture
async def other(cluster: Cluster) -> Cluster:
    """The same cluster, as another driver sees it."""
    return Cluster(cluster.server, cluster.proxy, f"other-{cluster.driver}")


@pytest.fixture
async def mixed(backed_worker: MooringWorker, cluster: Cluster, other: Cluster, mooring: MooringClient) -> MooringWorker:
    """A worker that has published, shared, moved, detached, and seen what others wrote."""
    await asyncio.gather(*(cluster.create(handle) for handle in ("held", "shared", "moved", "left", "idle")))
    await cluster.create("foreign", {cluster.keys.node: "node-c", cluster.keys.at: "2026-01-31T04:00:41Z"})
    await cluster.create("broken", {cluster.keys.node: "node-c", cluster.keys.epoch: "many"})
    await other.create("held", {other.keys.node: "node-x"})
    await mooring.publish("held", "node-a", readonly=True)
    for node in ("node-a", "node-b", "node-c"):
        await mooring.publish("shared", node, access_mode=RWX)
    await mooring.unpublish("shared", "node-a")
    for handle in ("moved", "left"):
        await mooring.publish(handle, "node-a")
        await mooring.unpublish(handle, "node-a")
    await mooring.publish("moved", "node-b")
    return backed_worker


def persisted(worker: MooringWorker) -> set[IndexedAttachment]:
    return {each for each in worker.manager.list_attachments() if each.persisted}


async def rebuilt(temporal_client: Client, cluster: Cluster) -> set[IndexedAttachment]:
    """Return the attachments that a worker knows which has just started."""
    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()) as fresh:
        return persisted(fresh)


async def test_a_rebuild_equals_the_memory_before(mixed: MooringWorker, temporal_client: Client, cluster: Cluster) -> None:
    async with asyncio.timeout(PATIENCE):
        while "foreign" not in {each.volume_handle for each in persisted(mixed)}:
            await asyncio.sleep(0.02)

    known = persisted(mixed)

    assert {(each.volume_handle, each.held.node) for each in known} == {
        ("held", "node-a"),
        ("shared", "node-b"),
        ("shared", "node-c"),
        ("moved", "node-b"),
        ("foreign", "node-c"),
    }
    assert await rebuilt(temporal_client, cluster) == known


async def test_what_happens_while_no_worker_runs_is_known_to_the_next_one(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()):
        await mooring.publish("vol", "node-a")
    await cluster.annotate("vol", {cluster.keys.node: "node-b", cluster.keys.epoch: "2"})

    found = await rebuilt(temporal_client, cluster)

    assert [(each.volume_handle, each.held.node, each.epoch) for each in found] == [("vol", "node-b", 2)]


async def test_malformed_pvs_are_counted_by_reason_and_the_rest_is_restored(
    worker: MooringWorker, cluster: Cluster, other: Cluster, mooring: MooringClient
) -> None:
    keys = cluster.keys
    await cluster.create("good", {keys.node: "node-a", keys.epoch: "3"})
    await cluster.create("untimed", {keys.node: "node-a", keys.at: "yesterday"})
    await cluster.create("empty-node", {keys.node: ""})
    await cluster.create("broken", {keys.node: "node-a", keys.epoch: "many"})
    await cluster.create("unreadable", {keys.node: "node-a", keys.epoch: "3", keys.attachments: "{"})
    for name in ("one", "two"):
        await cluster.create("twice", {keys.node: f"node-{name}"}, name=f"{name}-{cluster.pv('twice')}")
    await other.create("good")

    (answer,) = await mooring.rebuild()

    assert isinstance(answer, RebuildResult), answer
    assert (answer.skipped["malformed_record"], answer.skipped["duplicate_volume_handle"]) == (2, 1)
    assert answer.skipped["other_driver"] >= 1
    assert answer.replaced_times >= 1
    assert {"good", "untimed"} <= {each.volume_handle for each in persisted(worker)}


async def test_a_volume_whose_record_is_malformed_is_refused_with_what_to_do(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("broken", {cluster.keys.node: "node-a", cluster.keys.epoch: "many"})

    with pytest.raises(MalformedRecord, match=f"{cluster.pv('broken')}.*correct the annotations with kubectl"):
        await mooring.publish("broken", "node-b")

    assert await cluster.annotations("broken") == {cluster.keys.node: "node-a", cluster.keys.epoch: "many"}

"""A worker that starts where volumes are attached already."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.errors import Disputed, HeldElsewhere
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import CONTEXT, CSI_NODES, VOLUME_ATTACHMENTS, ExistingCluster
from tests.harness.workers import quick, running_worker, until
from worker import MooringWorker

SHARED: Final = "MULTI_NODE_MULTI_WRITER"


@pytest.fixture
def joined(temporal_client: Client, cluster: Cluster) -> Any:
    """`async with joined(**settings)`: a ready worker that looks at what is in doubt all the time."""

    @asynccontextmanager
    async def join(backend: JournalBackend | None = None, **settings: Any) -> AsyncIterator[MooringWorker]:
        asked = quick(cluster.driver, adopt_interval=0.1, backend="in:tests" if backend else "none", **settings)
        async with running_worker(temporal_client, asked, cluster.proxy.kubeconfig(), backend) as worker:
            yield worker

    return join


async def test_what_is_attached_is_recorded_with_its_context_and_its_time(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Any, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    name = await existing.attach("vol", "node-a")

    async with joined(backend):
        record = (await mooring.get("vol")).record

    assert record is not None
    [held] = record.holders
    assert (held.node_id, held.publish_context, held.access_mode, record.epoch) == ("node-a", CONTEXT, None, 1)
    assert held.attached_at == datetime.fromisoformat(await existing.since(name))
    assert backend.journal == []


@pytest.mark.parametrize("mode", ["SINGLE_NODE_WRITER", "SINGLE_NODE_MULTI_WRITER"])
async def test_the_co_may_publish_what_was_adopted_again_and_nowhere_else(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Any, backend: JournalBackend, mode: str
) -> None:
    await cluster.create("vol")
    await existing.attach("vol", "node-a")

    async with joined(backend):
        again = await mooring.publish("vol", "node-a", access_mode=mode)
        with pytest.raises(HeldElsewhere, match="node-a"):
            await mooring.publish("vol", "node-b", access_mode=mode)

    assert (again.reclaimed, again.publish_context, again.epoch) == (True, backend.context, 2)


async def test_what_is_not_attached_or_is_being_deleted_is_not_adopted(
    existing: ExistingCluster, cluster: Cluster, joined: Any
) -> None:
    await cluster.create("coming")
    await cluster.create("going")
    await existing.attach("coming", "node-a", attached=False)
    await existing.leave(await existing.attach("going", "node-a"))

    async with joined():
        assert (await cluster.annotations("coming"), await cluster.annotations("going")) == ({}, {})


async def test_a_volume_that_is_being_detached_is_published_to_nobody_until_it_is(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Any
) -> None:
    await cluster.create("vol")
    name = await existing.attach("vol", "node-a")
    await existing.leave(name)

    async with joined() as worker:
        with pytest.raises(Disputed, match="node node-a"):
            await mooring.publish("vol", "node-b")
        await mooring.unpublish("vol", "node-a")
        await until(lambda: not worker.context.doubts.refused)
        await mooring.publish("vol", "node-b")


async def test_what_is_recorded_stays_as_it_is(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Any
) -> None:
    await cluster.create("vol")
    await existing.attach("vol", "node-a")
    async with joined():
        pass
    before = await cluster.annotations("vol")

    async with joined():
        assert await cluster.annotations("vol") == before


async def test_all_nodes_of_a_shared_volume_are_adopted(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Any
) -> None:
    await cluster.create("vol", modes=["ReadWriteMany"])
    await existing.attach("vol", "node-a")
    await existing.attach("vol", "node-b")

    async with joined():
        third = await mooring.publish("vol", "node-c", access_mode=SHARED)
        record = (await mooring.get("vol")).record

    assert record is not None
    assert ({held.node_id for held in record.holders}, third.epoch) == ({"node-a", "node-b", "node-c"}, 3)


async def test_two_nodes_of_a_volume_for_one_keep_it_from_everybody_until_one_is_left(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Any
) -> None:
    await cluster.create("vol")
    loser, winner = await existing.attach("vol", "node-a"), await existing.attach("vol", "node-b")

    async with joined() as worker:
        for node in ("node-a", "node-b", "node-c"):
            with pytest.raises(Disputed, match=f"vol is attached to node node-a .*{loser}.* to node node-b .*{winner}.*Pod"):
                await mooring.publish("vol", node)
        assert await cluster.annotations("vol") == {}

        await mooring.unpublish("vol", "node-a")
        await existing.remove(loser)
        await until(lambda: not worker.context.doubts.refused)

        assert (await mooring.publish("vol", "node-b")).reclaimed
        with pytest.raises(HeldElsewhere):
            await mooring.publish("vol", "node-a")


async def test_a_record_that_fell_behind_is_drift_until_its_holder_is_unpublished(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Any
) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "7"})
    await existing.attach("vol", "node-b")

    async with joined() as worker:
        with pytest.raises(Disputed, match=r"held by node node-a, and is attached to node node-b .*unpublish the volume"):
            await mooring.publish("vol", "node-b")
        await mooring.unpublish("vol", "node-a")
        await until(lambda: not worker.context.doubts.refused)

    assert await cluster.holder("vol") == "node-b"


async def test_a_node_that_nobody_knows_is_not_guessed(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Any
) -> None:
    await cluster.create("vol")
    await existing.attach("vol", "node-a", known=False)

    async with joined() as worker:
        with pytest.raises(Disputed, match=existing.name("node-a")):
            await mooring.publish("vol", "node-b")
        await existing.register("node-a")
        await until(lambda: not worker.context.doubts.refused)

    assert await cluster.holder("vol") == "node-a"


async def test_a_node_is_known_by_what_the_attacher_noted(existing: ExistingCluster, cluster: Cluster, joined: Any) -> None:
    await cluster.create("vol")
    await existing.attach("vol", "node-a", known=False, noted="node-a")

    async with joined():
        assert await cluster.holder("vol") == "node-a"


async def test_an_attachment_without_a_pv_of_the_driver_is_left_alone(
    existing: ExistingCluster, cluster: Cluster, joined: Any
) -> None:
    await existing.attach("gone", "node-a")

    async with joined() as worker:
        assert worker.context.doubts.refused == {}


async def test_a_record_that_can_not_be_read_keeps_no_worker_from_serving(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Any
) -> None:
    await cluster.create("bad", {cluster.keys.epoch: "many"})
    await cluster.create("vol")
    await existing.attach("bad", "node-a")
    await existing.attach("vol", "node-a")

    async with joined():
        assert await cluster.holder("vol") == "node-a"


async def test_where_nothing_is_attached_no_node_is_asked_for(cluster: Cluster, joined: Any) -> None:
    async with joined():
        assert cluster.proxy.count("GET", VOLUME_ATTACHMENTS)
        assert cluster.proxy.count("*", CSI_NODES) == 0


async def test_nothing_is_adopted_where_that_is_asked_for(existing: ExistingCluster, cluster: Cluster, joined: Any) -> None:
    await cluster.create("vol")
    await existing.attach("vol", "node-a")

    async with joined(adopt=False):
        assert (await cluster.annotations("vol"), cluster.proxy.count("*", VOLUME_ATTACHMENTS)) == ({}, 0)


async def test_a_volume_with_several_pvs_is_adopted_by_the_volume_attachment_of_one(
    existing: ExistingCluster, cluster: Cluster, mooring: MooringClient, joined: Any
) -> None:
    other = f"other-{cluster.pv('vol')}"
    await cluster.create("vol")
    await cluster.create("vol", name=other)
    await existing.attach("vol", "node-a")

    async with joined() as worker:
        assert worker.context.doubts.refused == {}
        with pytest.raises(HeldElsewhere):
            await mooring.publish("vol", "node-b")

    assert (await cluster.annotations("vol", name=other))[cluster.keys.node] == "node-a"

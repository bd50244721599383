"""A record that a worker wrote while its watch was away, and another took back: the index remembers nothing that is on no PV."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from mooring.client import MooringClient
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import indexed
from worker import MooringWorker


@contextmanager
def watch_away(cluster: Cluster) -> Iterator[None]:
    """Keep the block's changes from every watch: the next one begins with a list."""
    away = cluster.proxy.drop("WATCH")
    cluster.proxy.cut_watches()
    yield
    cluster.proxy.fail("WATCH", status=410, times=1)
    away.stop()


async def test_an_attachment_that_went_while_the_watch_was_away_leaves_nothing_in_the_index(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    with watch_away(cluster):
        await cluster.create("vol")
        assert (await mooring.publish("vol", "node-a")).persisted
        await cluster.annotate("vol", {cluster.keys.node: None, cluster.keys.at: None, cluster.keys.epoch: "2"})

    await indexed(worker, "vol")

    assert (worker.manager.list_attachments(), worker.manager.volumes_on("node-a")) == ([], 0)


async def test_an_attachment_whose_pv_went_while_the_watch_was_away_leaves_nothing_in_the_index(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    with watch_away(cluster):
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
        await cluster.annotate("vol", {cluster.keys.node: None, cluster.keys.at: None, cluster.keys.epoch: "2"})
        await cluster.delete("vol")
        await cluster.create("later")

    await indexed(worker, "later")

    assert (worker.manager.list_attachments(), worker.manager.volumes_on("node-a")) == ([], 0)


async def test_an_attachment_that_stays_is_listed_once_the_watch_is_back(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    with watch_away(cluster):
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")

    async with asyncio.timeout(PATIENCE):
        while [(each.held.node, each.persisted) for each in worker.manager.list_attachments()] != [("node-a", True)]:
            await asyncio.sleep(0.02)

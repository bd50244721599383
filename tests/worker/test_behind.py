"""Two workers of whom one doesn't know the newest PV of a volume yet: it lets nobody in, and clears what it can't know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.proxy import FaultProxy
from mooring.errors import HeldElsewhere
from tests.harness.cluster import Cluster
from tests.harness.workers import quick, running_worker, until
from worker import MooringWorker


@dataclass(frozen=True, slots=True)
class Pair:
    """A worker that knows the volume's two PVs, and one whose watch is cut since there was one; a task queue each."""

    current: MooringClient
    behind: MooringClient
    lagging: MooringWorker
    newest: str


@pytest.fixture
async def pair(temporal_client: Client, account: ApiServer, cluster: Cluster) -> AsyncIterator[Pair]:
    first, newest = cluster.pv("vol"), f"newest-{cluster.driver}"
    await cluster.create("vol")
    settings = {queue: quick(cluster.driver, task_queue=f"{queue}-{cluster.driver}") for queue in ("current", "behind")}
    clients = {
        queue: MooringClient(temporal_client, driver=cluster.driver, task_queue=each.queue) for queue, each in settings.items()
    }
    async with (
        FaultProxy.start(account.kubeconfig()) as way,
        running_worker(temporal_client, settings["behind"], way.kubeconfig()) as lagging,
        running_worker(temporal_client, settings["current"], cluster.proxy.kubeconfig()) as current,
    ):
        way.drop("WATCH")
        way.cut_watches()
        await cluster.create("vol", name=newest)
        await until(lambda: newest in current.manager.pvs("vol"))
        assert list(lagging.manager.pvs("vol")) == [first]
        yield Pair(clients["current"], clients["behind"], lagging, newest)


async def holders(cluster: Cluster, pair: Pair) -> list[str | None]:
    """Return the node that holds the volume by each of its PVs."""
    return [(await cluster.annotations("vol", name=name)).get(cluster.keys.node) for name in ("", pair.newest)]


async def test_a_worker_that_is_behind_meets_the_holder_on_the_pv_that_it_knows(pair: Pair, cluster: Cluster) -> None:
    await pair.current.publish("vol", "node-a")

    with pytest.raises(HeldElsewhere, match="held by node node-a"):
        await pair.behind.publish("vol", "node-b")

    assert await holders(cluster, pair) == ["node-a", "node-a"]


async def test_what_a_worker_that_is_behind_let_in_is_met_by_one_that_is_not(pair: Pair, cluster: Cluster) -> None:
    await pair.behind.publish("vol", "node-a")

    with pytest.raises(HeldElsewhere, match="held by node node-a"):
        await pair.current.publish("vol", "node-b")

    assert set(await holders(cluster, pair)) - {None} == {"node-a"}


async def test_a_worker_that_is_behind_writes_every_pv_that_a_free_record_leads_to(pair: Pair, cluster: Cluster) -> None:
    await pair.current.publish("vol", "node-b")
    await pair.current.unpublish("vol", "node-b")

    await pair.behind.publish("vol", "node-a")

    assert await holders(cluster, pair) == ["node-a", "node-a"]
    assert list(pair.lagging.manager.pvs("vol")) == [cluster.pv("vol")]
    await cluster.delete("vol")
    with pytest.raises(HeldElsewhere, match="held by node node-a"):
        await pair.current.publish("vol", "node-b")


async def test_an_unpublish_by_a_worker_that_is_behind_clears_every_pv(pair: Pair, cluster: Cluster) -> None:
    await pair.current.publish("vol", "node-a")

    result = await pair.behind.unpublish("vol", "node-a")

    assert (result.released, await holders(cluster, pair)) == (("node-a",), [None, None])
    assert list(pair.lagging.manager.pvs("vol")) == [cluster.pv("vol")]
    assert (await pair.current.publish("vol", "node-b")).persisted

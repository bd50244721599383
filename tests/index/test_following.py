"""The index between rebuilds: changes from the watch, and times when it can't deliver any."""

from __future__ import annotations

import asyncio
from itertools import count

from prometheus_client import CollectorRegistry

from mooring.index.manager import AttachmentManager
from mooring.index.reflector import Reflector
from mooring.process.metrics import Metrics
from mooring.records.memory_store import MemoryStore
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.records import record
from tests.index.conftest import holders, no_beat, until


async def hold(cluster: Cluster, handle: str, node: str | None, epoch: int) -> None:
    await cluster.annotate(handle, {cluster.keys.node: node, cluster.keys.epoch: str(epoch)})


async def test_the_watch_brings_what_others_change(reflector: Reflector, manager: AttachmentManager, cluster: Cluster) -> None:
    await cluster.create("vol-1")
    await reflector.rebuild(no_beat)
    await hold(cluster, "vol-1", "node-a", 1)
    await until(lambda: holders(manager) == {"vol-1": "node-a"})
    await cluster.create("vol-2")
    await until(lambda: manager.pv_name("vol-2") == cluster.pv("vol-2"))
    await cluster.delete("vol-1")
    await until(lambda: manager.observe("vol-1") is None)


async def test_a_cut_watch_misses_nothing(reflector: Reflector, manager: AttachmentManager, cluster: Cluster) -> None:
    await cluster.create("vol-1")
    await reflector.rebuild(no_beat)
    with cluster.proxy.outage():
        await hold(cluster, "vol-1", "node-a", 1)
        await hold(cluster, "vol-1", "node-b", 2)
    await until(lambda: holders(manager) == {"vol-1": "node-b"})
    assert not reflector.needs_rebuild.is_set()


async def test_a_forgotten_past_is_lost_until_a_rebuild_and_the_index_serves_on(
    reflector: Reflector, manager: AttachmentManager, cluster: Cluster
) -> None:
    await cluster.create("vol-1", {cluster.keys.node: "node-a", cluster.keys.epoch: "1"})
    await reflector.rebuild(no_beat)
    cluster.proxy.fail("WATCH", status=410, times=1)
    cluster.proxy.cut_watches()
    async with asyncio.timeout(PATIENCE):
        await reflector.needs_rebuild.wait()
    assert holders(manager) == {"vol-1": "node-a"}
    await hold(cluster, "vol-1", "node-b", 2)
    await reflector.rebuild(no_beat)
    assert (reflector.needs_rebuild.is_set(), holders(manager)) == (False, {"vol-1": "node-b"})
    await hold(cluster, "vol-1", "node-c", 3)
    await until(lambda: holders(manager) == {"vol-1": "node-c"})


async def test_an_old_event_does_not_undo_what_this_worker_knows(
    reflector: Reflector, manager: AttachmentManager, cluster: Cluster
) -> None:
    await cluster.create("vol-1")
    await reflector.rebuild(no_beat)
    free = manager.observe("vol-1")
    assert free is not None
    with cluster.proxy.outage():
        await hold(cluster, "vol-1", "node-a", 1)
        manager.learn("vol-1", record(epoch=2, uid=free.mark.uid, pv=free.mark.pv))
    await cluster.create("vol-2")
    await until(lambda: manager.pv_name("vol-2") is not None)
    assert manager.attachments == 0


async def test_after_stop_nothing_is_followed(reflector: Reflector, manager: AttachmentManager, cluster: Cluster) -> None:
    await cluster.create("vol-1")
    await reflector.rebuild(no_beat)
    await reflector.stop()
    await hold(cluster, "vol-1", "node-a", 1)
    assert manager.attachments == 0
    assert cluster.proxy.cut_watches() == 0


async def test_connecting_again_and_lag_show_in_the_metrics(
    reflector: Reflector, cluster: Cluster, registry: CollectorRegistry
) -> None:
    await reflector.rebuild(no_beat)
    await until(lambda: cluster.proxy.cut_watches() > 0)
    await until(lambda: (registry.get_sample_value("mooring_watch_reconnects_total") or 0) > 0)
    lag = registry.get_sample_value("mooring_watch_lag_seconds")
    assert lag is not None
    assert lag == min(lag, reflector.lag)


async def test_without_kubernetes_the_watch_says_that_it_is_alive(manager: AttachmentManager, metrics: Metrics) -> None:
    ticks = count()
    reflector = Reflector(MemoryStore(metrics, bookmark=0.01), manager, metrics, lambda: float(next(ticks)))
    await reflector.rebuild(no_beat)
    heard = next(ticks)
    await until(lambda: reflector.lag < 2 and next(ticks) > heard + 20)
    await reflector.stop()

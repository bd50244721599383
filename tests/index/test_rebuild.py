"""The index after a rebuild, and while one runs."""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from mooring.devstack.faults import ProxiedRequest
from mooring.devstack.kubernetes import ApiServer, EmbeddedKubernetes
from mooring.devstack.proxy import FaultProxy
from mooring.errors import KubernetesUnavailable
from mooring.index.manager import AttachmentManager, Counts
from mooring.index.reflector import Reflector
from mooring.models import Skip, VolumeRef
from mooring.process.metrics import Metrics
from mooring.records.memory_store import MemoryStore
from tests.harness.cluster import Cluster
from tests.harness.records import attach, attachment
from tests.index.conftest import PAGE_SIZE, following, holders, no_beat, until


async def attached(cluster: Cluster, handle: str, node: str) -> None:
    time_known = {cluster.keys.at: "2026-01-31T04:00:41.123456Z"}
    await cluster.create(handle, {cluster.keys.node: node, cluster.keys.epoch: "1", **time_known})


async def test_a_rebuild_restores_every_attachment(reflector: Reflector, manager: AttachmentManager, cluster: Cluster) -> None:
    await attached(cluster, "vol-1", "node-a")
    await attached(cluster, "vol-2", "node-b")
    await cluster.create("vol-3")
    rebuilt = await reflector.rebuild(no_beat)
    assert holders(manager) == {"vol-1": "node-a", "vol-2": "node-b"}
    assert rebuilt.counts == Counts(volumes=3, attached=2, holders=2, duplicates=0, unpersisted=0)


async def test_a_rebuild_passes_over_malformed_pvs_and_says_how_many(
    reflector: Reflector, manager: AttachmentManager, cluster: Cluster
) -> None:
    await attached(cluster, "vol-1", "node-a")
    await cluster.create("vol-2", {cluster.keys.node: "node-b", cluster.keys.epoch: "many"})
    await cluster.create("vol-3", {cluster.keys.node: "node-c", cluster.keys.attachments: "[{"})
    await cluster.create("vol-4", {cluster.keys.node: "node-d", cluster.keys.at: "yesterday"})
    for name in ("one", "two"):
        await cluster.create(
            "vol-5", {cluster.keys.node: f"node-{name}", cluster.keys.at: "2026-01-31"}, name=f"{name}-{cluster.driver}"
        )
    rebuilt = await reflector.rebuild(no_beat)
    assert holders(manager).keys() == {"vol-1", "vol-4", "vol-5"}
    assert (rebuilt.skipped[Skip.MALFORMED], rebuilt.skipped[Skip.DUPLICATE], rebuilt.replaced_times) == (2, 1, 1)


async def test_a_list_of_20_pages_replaces_the_index_in_one_step(metrics: Metrics) -> None:
    volumes, manager = MemoryStore(metrics), AttachmentManager()
    reflector = Reflector(volumes, manager, metrics, time.monotonic, PAGE_SIZE)
    for number in range(20 * PAGE_SIZE):
        await hold(volumes, f"vol-{number}")
    sizes: list[int] = []
    await reflector.rebuild(lambda _: sizes.append(manager.attachments))
    assert sizes == [0] * 20
    assert manager.attachments == 20 * PAGE_SIZE
    await reflector.stop()


async def test_a_rebuild_lets_others_run_between_pages(metrics: Metrics) -> None:
    volumes = MemoryStore(metrics)
    reflector = Reflector(volumes, AttachmentManager(), metrics, time.monotonic, PAGE_SIZE)
    for number in range(10 * PAGE_SIZE):
        await hold(volumes, f"vol-{number}")
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    at_page: list[int] = []
    await reflector.rebuild(lambda _: at_page.append(turns))
    task.cancel()
    assert at_page == sorted(set(at_page))
    await reflector.stop()


async def test_a_rebuild_that_fails_changes_nothing_and_the_watch_goes_on(
    reflector: Reflector, manager: AttachmentManager, cluster: Cluster
) -> None:
    await attached(cluster, "vol-1", "node-a")
    await reflector.rebuild(no_beat)
    cluster.proxy.fail("GET", status=503, when=continues)
    for number in range(PAGE_SIZE + 1):
        await cluster.create(f"free-{number}")
    with pytest.raises(KubernetesUnavailable):
        await reflector.rebuild(no_beat)
    await attached(cluster, "vol-2", "node-b")
    await until(lambda: holders(manager) == {"vol-1": "node-a", "vol-2": "node-b"})


async def test_a_list_that_begins_anew_keeps_nothing_of_what_it_read_before(driver: str, metrics: Metrics) -> None:
    manager = AttachmentManager()
    async with EmbeddedKubernetes.start() as kube, FaultProxy.start(kube.kubeconfig()) as proxy:
        cluster = Cluster(ApiServer(kube.url), proxy, driver)
        for number in range(PAGE_SIZE + 1):
            await attached(cluster, f"vol-{number}", "node-a")
        second_page = proxy.hold("GET", when=continues, times=1)
        async with following(cluster, manager, metrics) as reflector:
            rebuild = asyncio.create_task(reflector.rebuild(no_beat))
            await second_page.reached()
            await cluster.delete("vol-0")
            kube.compact()
            second_page.release()
            await rebuild
    assert sorted(holders(manager)) == [f"vol-{number}" for number in range(1, PAGE_SIZE + 1)]


async def test_attachments_that_wait_for_their_pv_come_through_a_rebuild(
    reflector: Reflector, manager: AttachmentManager, cluster: Cluster
) -> None:
    manager.track_attachment("vol-1", attachment("node-a"))
    await attached(cluster, "vol-2", "node-b")
    rebuilt = await reflector.rebuild(no_beat)
    assert holders(manager) == {"vol-1": "node-a", "vol-2": "node-b"}
    assert rebuilt.counts.unpersisted == 1


async def test_a_rebuild_shows_in_the_metrics(reflector: Reflector, cluster: Cluster, registry: CollectorRegistry) -> None:
    await attached(cluster, "vol-1", "node-a")
    await cluster.create("vol-2", {cluster.keys.epoch: "many"})
    await cluster.create("vol-3", {cluster.keys.node: "node-b", cluster.keys.at: "yesterday"})
    await reflector.rebuild(no_beat)
    assert registry.get_sample_value("mooring_attachments") == 2
    assert registry.get_sample_value("mooring_skipped_volumes", {"reason": Skip.MALFORMED.value}) == 1
    assert registry.get_sample_value("mooring_replaced_times_total") == 1
    assert (registry.get_sample_value("mooring_rebuild_seconds") or 0) > 0


async def hold(volumes: MemoryStore, handle: str) -> None:
    free = await volumes.read(handle)
    assert free is not None
    await volumes.compare_and_set(attach(VolumeRef(volume_handle=handle), free, "node-a"))


def continues(request: ProxiedRequest) -> bool:
    return "continue" in request.query

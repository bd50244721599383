"""Watches on an API server: cut, hung, expired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.devstack.faults import Loss
from mooring.devstack.kubernetes.embedded import EmbeddedKubernetes
from mooring.devstack.proxy import FaultProxy
from mooring.kubernetes.connection import connect
from mooring.process.metrics import Metrics
from mooring.records.store import Change, ChangeKind, HistoryGone
from tests.cluster.persistent_volumes.conftest import TIMEOUT, OpenVolumes, now
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE


async def test_a_cut_watch_misses_nothing(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    async with watching(volumes) as changes:
        await cluster.create("vol-1")
        assert await told(changes, 1) == [("seen", "vol-1")]
        with cluster.proxy.outage():
            await cluster.create("vol-2")
            await cluster.annotate("vol-1", {cluster.keys.node: "node-a"})
            await cluster.delete("vol-2")
        assert await told(changes, 3) == [("seen", "vol-2"), ("seen", "vol-1"), ("gone", "vol-2")]


async def test_a_watch_that_says_nothing_is_given_up_and_connected_again(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    since = await resource_version(volumes)
    cluster.proxy.drop("WATCH", times=1, loss=Loss.HANG)
    await cluster.create("vol-1")
    async with aclosing(volumes.watch(since)) as changes:
        assert await told(changes, 1) == [("seen", "vol-1")]


async def test_a_watch_goes_on_after_its_server_side_time_is_up(open_volumes: OpenVolumes, cluster: Cluster) -> None:
    async with watching(open_volumes(watch_time=1, watch_silence=5)) as changes:
        await alive(changes, 2)
        await cluster.create("vol-1")
        assert await told(changes, 1) == [("seen", "vol-1")]


async def test_pvs_of_other_drivers_only_show_that_the_watch_is_alive(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    other = Cluster(cluster.server, cluster.proxy, f"other-{cluster.driver}")
    async with watching(volumes) as changes:
        await other.create("vol-1")
        await cluster.create("vol-1")
        assert await told(changes, 1) == [("seen", "vol-1")]
        await other.delete("vol-1")


@pytest.mark.parametrize("status", [403, 429, 500])
async def test_a_watch_that_is_refused_for_now_is_asked_for_again(
    volumes: PersistentVolumeStore, cluster: Cluster, status: int
) -> None:
    since = await resource_version(volumes)
    cluster.proxy.fail("WATCH", status=status, times=2)
    await cluster.create("vol-1")
    async with aclosing(volumes.watch(since)) as changes:
        assert await told(changes, 1) == [("seen", "vol-1")]


async def test_a_watch_refused_with_410_is_gone(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    since = await resource_version(volumes)
    cluster.proxy.fail("WATCH", status=410, times=1)
    with pytest.raises(HistoryGone):
        await told(volumes.watch(since), 1)


async def test_a_watch_from_a_past_that_the_server_forgot_is_gone(driver: str, metrics: Metrics) -> None:
    async with EmbeddedKubernetes.start() as kube, FaultProxy.start(kube.kubeconfig()) as proxy:
        api = await connect(proxy.kubeconfig(), {}, TIMEOUT)
        volumes = PersistentVolumeStore(api, driver, now, metrics)
        since = await resource_version(volumes)
        kube.seed([pv(driver)])
        kube.compact()
        with pytest.raises(HistoryGone, match="410"):
            await told(volumes.watch(since), 1)
        await api.close()


@asynccontextmanager
async def watching(volumes: PersistentVolumeStore) -> AsyncIterator[AsyncGenerator[Change]]:
    async with aclosing(volumes.watch(await resource_version(volumes))) as changes:
        await alive(changes, 1)
        yield changes


async def resource_version(volumes: PersistentVolumeStore) -> str:
    return [page async for page in volumes.pages(500)][-1].resource_version


async def alive(changes: AsyncGenerator[Change], count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        for _ in range(count):
            assert (await anext(changes)).kind is ChangeKind.ALIVE


async def told(changes: AsyncGenerator[Change], count: int) -> list[tuple[str, str]]:
    """Return the next changes of PVs; signs of life are passed over."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            change = await anext(changes)
            if change.record is not None:
                found.append((change.kind.value, change.record.handle))
    return found


def pv(driver: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pv-1"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "csi": {"driver": driver, "volumeHandle": "vol-1"},
        },
    }

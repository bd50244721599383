"""Lists of PVs in pages, with what is skipped."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing

from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.cluster.record_reader import RecordReader
from mooring.devstack.faults import ProxiedRequest
from mooring.kubernetes.list_watch import Listed, ListMetadata
from mooring.kubernetes.pv_objects import Csi, Pv, PvMetadata, PvSpec
from mooring.models import DEFAULT_DRIVER, Skip
from mooring.records.store import Page
from tests.cluster.persistent_volumes.conftest import OpenVolumes
from tests.harness.cluster import PVS, Cluster
from tests.harness.records import NOW


async def test_what_is_no_volume_of_the_driver_is_counted_by_reason(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    await create(cluster, "no-csi", {"hostPath": {"path": "/nowhere"}})
    await create(cluster, "other", {"csi": {"driver": "other.example.com", "volumeHandle": "vol-1"}})
    await cluster.create("vol-1")
    pages = [page async for page in volumes.pages(2)]
    skipped = sum((page.skipped for page in pages), Counter[str]())
    assert all(skipped[reason] >= 1 for reason in (Skip.NOT_CSI, Skip.OTHER_DRIVER))
    assert handles(pages) == ["vol-1"]


async def test_a_malformed_record_is_sighted_with_its_problem_and_counted(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    await cluster.create("vol-1", {cluster.keys.epoch: "many"})
    pages = [page async for page in volumes.pages(100)]
    assert [seen.problem.count("many") for page in pages for seen in page.records] == [1]
    assert sum(page.skipped[Skip.MALFORMED] for page in pages) == 1


async def test_unreadable_times_are_replaced_and_counted(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    await cluster.create("vol-1", {cluster.keys.node: "node-a", cluster.keys.at: "yesterday"})
    await cluster.create("vol-2", {cluster.keys.node: "node-a"})
    await cluster.create("vol-3", {cluster.keys.node: "node-a", cluster.keys.at: "2026-01-31T04:00:41Z"})
    assert sum([page.replaced_times async for page in volumes.pages(100)]) == 2


async def test_a_list_whose_continuation_expired_begins_anew_and_says_so(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    for number in range(4):
        await cluster.create(f"vol-{number}")
    cluster.proxy.fail("GET", status=410, path=PVS, when=continues, times=1)
    pages = [page async for page in volumes.pages(1)]
    assert [page.first for page in pages][:3] == [True, True, False]
    begun_anew = pages[1:]
    assert handles(begun_anew) == [f"vol-{number}" for number in range(4)]


async def test_a_page_is_on_its_way_while_the_one_before_it_is_used(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    await cluster.create("vol-1")
    await cluster.create("vol-2")
    second = cluster.proxy.hold("GET", path=PVS, when=continues, times=1)
    async with aclosing(volumes.pages(1)) as pages:
        await anext(pages)
        await second.reached()
        second.release()


async def test_a_list_that_nobody_wants_any_more_leaves_no_request_behind(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    await cluster.create("vol-1")
    await cluster.create("vol-2")
    cluster.proxy.hold("GET", path=PVS, when=continues, times=1)
    async with aclosing(volumes.pages(1)) as pages:
        await anext(pages)
        assert "page of PersistentVolumes" in {task.get_name() for task in asyncio.all_tasks()}
    assert "page of PersistentVolumes" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_a_volume_is_found_by_a_list_that_had_to_begin_anew(open_volumes: OpenVolumes, cluster: Cluster) -> None:
    await cluster.create("vol-1")
    await cluster.create("vol-2")
    cluster.proxy.fail("GET", status=410, path=PVS, when=continues, times=1)
    assert await open_volumes(page_size=1).read("vol-1") is not None


def test_a_pv_without_a_volume_handle_is_counted() -> None:
    # No API server lets one be made, but what it stored before it knew that rule it shows.
    listed = Listed(ListMetadata("7"), [Pv(PvMetadata("pv-1", uid="uid"), PvSpec(csi=Csi(DEFAULT_DRIVER)))])
    (page,) = RecordReader(DEFAULT_DRIVER, lambda: NOW).pages(listed, first=True)
    assert (page.records, page.skipped) == ([], {Skip.NO_VOLUME_HANDLE: 1})


def continues(request: ProxiedRequest) -> bool:
    return "continue" in request.query


def handles(pages: list[Page]) -> list[str]:
    return sorted(seen.handle for page in pages for seen in page.records)


async def create(cluster: Cluster, name: str, source: dict[str, object]) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{name}-{cluster.driver}"},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, **source},
    }
    await cluster.ask("POST", PVS, body)

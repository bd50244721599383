"""Searches for a volume among all PVs share the list with all who search at once, and find what there is."""

from __future__ import annotations

import asyncio

import pytest

from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.errors import KubernetesUnavailable
from tests.cluster.persistent_volumes.conftest import OpenVolumes
from tests.harness.cluster import PVS, Cluster
from tests.harness.workers import until


@pytest.fixture
def volumes(open_volumes: OpenVolumes) -> PersistentVolumeStore:
    """Volumes that are listed in one page, however many PVs other tests have left there, so that requests count lists."""
    return open_volumes(page_size=10_000)


async def test_all_who_ask_while_a_list_is_under_way_share_the_next_one(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    held = cluster.proxy.hold("GET", path=PVS, times=1)
    first = asyncio.create_task(volumes.read("vol-0"))
    await held.reached()
    await cluster.create("vol-7")
    others = [asyncio.create_task(volumes.read(f"vol-{number}")) for number in range(20)]
    await asyncio.sleep(0)
    held.release()

    found = await asyncio.gather(first, *others)

    assert [record is not None for record in found] == [number == 8 for number in range(21)]
    assert cluster.proxy.count("GET", PVS) == 2


async def test_a_list_is_not_answered_by_one_that_has_begun(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    held = cluster.proxy.hold("GET", path=PVS, times=1)
    first = asyncio.create_task(volumes.read("vol-1"))
    await held.reached()
    again = asyncio.create_task(volumes.read("vol-1"))
    held.release()

    await asyncio.gather(first, again)

    assert cluster.proxy.count("GET", PVS) == 2


async def test_one_who_gives_up_ends_nobody_elses_list(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    await cluster.create("vol-1")
    held = cluster.proxy.hold("GET", path=PVS, times=1)
    asked = [asyncio.create_task(volumes.read("vol-1")) for _ in range(2)]
    await held.reached()
    asked[0].cancel()
    await until(asked[0].done)
    held.release()

    assert await asked[1] is not None
    assert cluster.proxy.count("GET", PVS) == 1


async def test_a_list_that_fails_fails_for_all_who_asked_and_the_next_one_is_made(
    volumes: PersistentVolumeStore, cluster: Cluster
) -> None:
    await cluster.create("vol-1")
    cluster.proxy.fail("GET", path=PVS, status=503, times=1)

    failed = await asyncio.gather(*(volumes.read("vol-1") for _ in range(2)), return_exceptions=True)

    assert [type(error) for error in failed] == [KubernetesUnavailable] * 2
    assert await volumes.read("vol-1") is not None


async def test_the_volume_that_was_looked_for_is_named_in_the_error(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    cluster.proxy.fail("GET", path=PVS, status=503)

    with pytest.raises(KubernetesUnavailable, match="find volume vol-1 among all PersistentVolumes"):
        await volumes.read("vol-1")

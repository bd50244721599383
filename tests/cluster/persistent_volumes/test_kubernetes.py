"""Finding a volume's PV, and writing to it among others who write."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.errors import KubernetesUnavailable, MalformedRecord, RecordTooLarge
from mooring.models import VolumeRef
from tests.cluster.persistent_volumes.conftest import World
from tests.harness.cluster import PVS, Cluster
from tests.harness.records import attach, detach


async def test_a_volume_without_a_pv_has_no_record(volumes: PersistentVolumeStore) -> None:
    assert await volumes.read("vol-1", {"pv-vol-1": "uid"}) is None


async def test_a_pv_is_found_by_its_handle_whatever_its_name(volumes: PersistentVolumeStore, cluster: Cluster, driver: str) -> None:
    await cluster.create("vol-1", name=f"named-otherwise-{driver}")
    found = await volumes.read("vol-1")
    assert found is not None
    assert found.mark.pv == f"named-otherwise-{driver}"


async def test_a_pv_whose_name_is_known_is_read_without_a_list(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    made = (await cluster.create("vol-1"))["metadata"]
    assert await volumes.read("vol-1", {made["name"]: made["uid"]}) is not None
    assert (cluster.proxy.count("GET", f"{PVS}/"), cluster.proxy.count()) == (1, 1)


async def test_a_wrong_name_only_costs_a_list(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    await cluster.create("vol-1")
    await cluster.create("vol-2")
    found = await volumes.read("vol-1", {cluster.pv("vol-2"): "uid"})
    assert found is not None
    assert found.mark.pv == cluster.pv("vol-1")


async def test_a_pv_made_anew_under_a_known_name_has_all_looked_at(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    old = (await cluster.create("vol-1"))["metadata"]
    await cluster.delete("vol-1")
    await cluster.create("vol-1")
    await cluster.create("vol-1", name=f"another-{old['name']}")
    found = await volumes.read("vol-1", {old["name"]: old["uid"]})
    assert found is not None
    assert {mark.pv for mark in found.marks} == {old["name"], f"another-{old['name']}"}


async def test_a_write_is_made_on_each_pv_of_the_volume(kubernetes_world: World, cluster: Cluster) -> None:
    other = f"other-{cluster.pv('vol-1')}"
    await cluster.create("vol-1", name=other)
    volume, free = await kubernetes_world.volume("vol-1")
    made = await kubernetes_world.volumes.compare_and_set(attach(volume, free, "node-a"))
    assert made.landed
    assert [(await cluster.annotations("vol-1", name=name))[cluster.keys.node] for name in ("", other)] == ["node-a", "node-a"]
    assert made.record == await kubernetes_world.volumes.read("vol-1")


async def test_one_of_several_records_that_cant_be_read_is_told_beside_the_others(
    volumes: PersistentVolumeStore, cluster: Cluster
) -> None:
    await cluster.create("vol-1", {cluster.keys.epoch: "many"})
    await cluster.create("vol-1", name=f"sound-{cluster.pv('vol-1')}")
    found = await volumes.read("vol-1")
    assert found is not None
    assert (found.mark.pv, len(found.unreadable)) == (f"sound-{cluster.pv('vol-1')}", 1)


async def test_a_record_that_cannot_be_read_is_refused(volumes: PersistentVolumeStore, cluster: Cluster) -> None:
    await cluster.create("vol-1", {cluster.keys.epoch: "many"})
    with pytest.raises(MalformedRecord, match="many"):
        await volumes.read("vol-1")


async def test_other_writers_of_the_pv_do_not_disturb_a_write(kubernetes_world: World, cluster: Cluster) -> None:
    await cluster.create("vol-1", {"other.example.com/of": "somebody"})
    free = await kubernetes_world.volumes.read("vol-1")
    assert free is not None
    await cluster.annotate("vol-1", {"other.example.com/of": "somebody else", "other.example.com/new": "1"})
    volume = VolumeRef(driver=kubernetes_world.driver, volume_handle="vol-1")
    assert (await kubernetes_world.volumes.compare_and_set(attach(volume, free, "node-a"))).landed
    others = {key: value for key, value in (await cluster.annotations("vol-1")).items() if key.startswith("other.")}
    assert others == {"other.example.com/of": "somebody else", "other.example.com/new": "1"}


async def test_a_write_is_one_request_with_no_read_before_it(kubernetes_world: World, cluster: Cluster) -> None:
    volume, free = await kubernetes_world.volume()
    before = cluster.proxy.count()
    await kubernetes_world.volumes.compare_and_set(attach(volume, free, "node-a"))
    assert (cluster.proxy.count() - before, cluster.proxy.count("PATCH")) == (1, 1)


async def test_a_write_to_a_pv_made_anew_under_its_name_is_refused(kubernetes_world: World, cluster: Cluster) -> None:
    volume, old = await kubernetes_world.volume()
    await cluster.delete("vol-1")
    await cluster.create("vol-1")
    result = await kubernetes_world.volumes.compare_and_set(attach(volume, old, "node-a"))
    assert result.landed is False
    assert result.record is not None
    assert result.record.mark.uid != old.mark.uid


async def test_a_write_to_a_pv_that_is_gone_is_refused_without_a_record(kubernetes_world: World, cluster: Cluster) -> None:
    volume, old = await kubernetes_world.volume()
    await cluster.delete("vol-1")
    result = await kubernetes_world.volumes.compare_and_set(attach(volume, old, "node-a"))
    assert (result.landed, result.record) == (False, None)


async def test_a_write_whose_answer_was_lost_is_recognised_when_made_again(kubernetes_world: World, cluster: Cluster) -> None:
    volume, free = await kubernetes_world.volume()
    write = attach(volume, free, "node-a")
    cluster.proxy.lose_answer("PATCH", times=1)
    with pytest.raises(KubernetesUnavailable):
        await kubernetes_world.volumes.compare_and_set(write)
    result = await kubernetes_world.volumes.compare_and_set(write)
    assert result.landed
    assert (await cluster.holder("vol-1"), await cluster.epoch("vol-1")) == ("node-a", 1)


async def test_a_write_held_up_at_the_server_until_after_a_detach_changes_nothing(
    kubernetes_world: World, cluster: Cluster
) -> None:
    volume, free = await kubernetes_world.volume()
    hold = cluster.proxy.hold("PATCH", times=1)
    straggler = asyncio.create_task(kubernetes_world.volumes.compare_and_set(attach(volume, free, "node-a")))
    await hold.reached()
    with pytest.raises(KubernetesUnavailable):
        await straggler
    assert (await kubernetes_world.volumes.compare_and_set(detach(volume, free))).landed
    hold.release()
    assert await hold.landed() == 422
    assert (await cluster.holder("vol-1"), await cluster.epoch("vol-1")) == (None, 1)


async def test_a_write_that_the_server_refuses_for_itself_is_rejected_with_the_reason(
    kubernetes_world: World, cluster: Cluster
) -> None:
    volume, free = await kubernetes_world.volume()
    write = attach(volume, free, "node-a")
    huge = write.holders[0].model_copy(update={"publish_context": {"key": "x" * 300_000}})
    with pytest.raises(RecordTooLarge, match=r"volume vol-1 with 1 holder, node node-a .* PersistentVolume .* to 300\d{3} bytes"):
        await kubernetes_world.volumes.compare_and_set(write.model_copy(update={"holders": (huge,)}))
    assert await cluster.holder("vol-1") is None


async def test_a_refused_write_is_counted_as_a_conflict(kubernetes_world: World, registry: CollectorRegistry) -> None:
    volume, free = await kubernetes_world.volume()
    await kubernetes_world.volumes.compare_and_set(attach(volume, free, "node-a", "op-1"))
    await kubernetes_world.volumes.compare_and_set(attach(volume, free, "node-b", "op-2"))
    assert registry.get_sample_value("mooring_conflicts_total") == 1

"""Several PVs of one volume handle are one volume, on a real Temporal server and a Kubernetes API."""

from __future__ import annotations

import pytest

from mooring.client import MooringClient
from mooring.errors import BackendFailed, DuplicateVolume, HeldElsewhere, KubernetesForbidden, MalformedRecord
from mooring.models import AccessMode
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import PVS, Cluster
from tests.harness.workers import until
from worker import MooringWorker

MERGE = "application/merge-patch+json"
RWX = AccessMode.MULTI_NODE_MULTI_WRITER


async def second(worker: MooringWorker, cluster: Cluster, annotations: dict[str, str] | None = None) -> str:
    """Create another PV of the volume; return its name, once the index knows it."""
    name = f"second-{cluster.pv('vol')}"
    await cluster.create("vol", annotations, name=name)
    await until(lambda: name in worker.manager.pvs("vol"))
    return name


async def holders(cluster: Cluster, *names: str) -> list[tuple[str | None, str | None]]:
    """Return the node that holds the volume by each PV, and at which epoch."""
    found = [await cluster.annotations("vol", name=name) for name in ("", *names)]
    return [(each.get(cluster.keys.node), each.get(cluster.keys.epoch)) for each in found]


def foreign(cluster: Cluster, node: str, epoch: str) -> dict[str, str]:
    """Return a record that another program has written on a PV."""
    return {cluster.keys.node: node, cluster.keys.at: "2026-01-31T04:00:41Z", cluster.keys.epoch: epoch}


async def test_a_released_pv_beside_its_replacement_is_published_and_unpublished(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await mooring.unpublish("vol", "node-a")
    replacement = await second(worker, cluster)

    published = await mooring.publish("vol", "node-b")
    attached = await holders(cluster, replacement)
    unpublished = await mooring.unpublish("vol", "node-b")

    assert (published.epoch, attached) == (3, [("node-b", "3"), ("node-b", "3")])
    assert (unpublished.released, unpublished.annotation_cleared) == (("node-b",), True)
    assert await holders(cluster, replacement) == [(None, "4"), (None, "4")]


async def test_two_static_pvs_on_one_node_are_one_attachment(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    first = await mooring.publish("vol", "node-a")
    await second(backed_worker, cluster)

    again = await mooring.publish("vol", "node-a")

    assert (again.reclaimed, again.publish_context, again.attached_at) == (True, first.publish_context, first.attached_at)
    assert backed_worker.manager.volumes_on("node-a") == 1
    assert [each.held.node for each in backed_worker.manager.list_attachments()] == ["node-a"]
    await mooring.unpublish("vol", "node-a")
    assert (backend.attached["vol"], backed_worker.manager.attachments) == (set(), 0)


async def test_a_pv_that_comes_while_the_volume_is_held_lets_no_second_node_in(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    late = await second(worker, cluster)

    with pytest.raises(HeldElsewhere, match="held by node node-a"):
        await mooring.publish("vol", "node-b")

    assert await holders(cluster, late) == [("node-a", "1"), (None, None)]


async def test_a_holder_outlives_one_of_its_pvs(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")
    stays = await second(worker, cluster)
    await mooring.publish("vol", "node-a")
    await cluster.delete("vol")
    await until(lambda: list(worker.manager.pvs("vol")) == [stays])

    with pytest.raises(HeldElsewhere, match="held by node node-a"):
        await mooring.publish("vol", "node-b")


async def test_several_nodes_share_a_volume_through_a_pv_each(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol", modes=("ReadWriteMany",))
    await mooring.publish("vol", "node-a", access_mode=RWX)
    other = await second(worker, cluster)

    await mooring.publish("vol", "node-b", access_mode=RWX)
    await mooring.unpublish("vol", "node-a")

    assert await holders(cluster, other) == [("node-b", "3"), ("node-b", "3")]


async def test_records_with_holders_that_disagree_are_refused_and_named(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol", foreign(cluster, "node-a", "3"))
    other = await second(worker, cluster, foreign(cluster, "node-b", "7"))

    named = rf"disagree: .*{other} names node node-b.*{cluster.pv('vol')} names node node-a.*mooring unpublish"
    for node in ("node-a", "node-b", "node-c"):
        with pytest.raises(DuplicateVolume, match=named):
            await mooring.publish("vol", node)

    assert await holders(cluster, other) == [("node-a", "3"), ("node-b", "7")]


async def test_an_unpublish_settles_which_of_two_records_is_right(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol", foreign(cluster, "node-a", "3"))
    other = await second(backed_worker, cluster, foreign(cluster, "node-b", "7"))

    result = await mooring.unpublish("vol", "node-a")

    assert (result.released, result.annotation_cleared) == (("node-a",), True)
    assert [call[:3] for call in backend.journal] == [("unpublish", "vol", "node-a")]
    assert await holders(cluster, other) == [("node-b", "8"), ("node-b", "8")]
    assert (await mooring.publish("vol", "node-b")).reclaimed


async def test_a_record_that_cant_be_read_keeps_everybody_out_and_no_detach_back(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    odd = await second(backed_worker, cluster, {cluster.keys.epoch: "many"})

    with pytest.raises(MalformedRecord, match=f"{odd} has the epoch 'many'"):
        await mooring.publish("vol", "node-a")
    result = await mooring.unpublish("vol", "node-a")

    assert (result.released, result.annotation_cleared, backend.attached["vol"]) == (("node-a",), False, set())
    assert f"{odd} has the epoch 'many'" in result.message
    assert await cluster.holder("vol") is None


async def test_a_publish_that_fails_leaves_nothing_on_any_pv(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    other = await second(backed_worker, cluster)
    backend.publish_errors.append(refusal())

    with pytest.raises(BackendFailed):
        await mooring.publish("vol", "node-a")

    assert await holders(cluster, other) == [(None, "2"), (None, "2")]


async def test_a_publish_that_reaches_the_first_pv_alone_is_rolled_back(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    other = await second(worker, cluster)
    first, last = sorted((cluster.pv("vol"), other))
    cluster.proxy.fail("PATCH", path=f"/persistentvolumes/{last}", status=403, times=1)

    with pytest.raises(KubernetesForbidden, match="rolled back"):
        await mooring.publish("vol", "node-a")

    assert cluster.proxy.count("PATCH", f"/{first}") == 2
    assert await holders(cluster, other) == [(None, "2"), (None, "2")]


async def test_a_publish_that_may_read_nothing_after_it_reached_the_first_pv_alone_is_rolled_back(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    other = await second(worker, cluster)
    first, last = sorted((cluster.pv("vol"), other))
    stale = cluster.proxy.drop("WATCH")
    cluster.proxy.cut_watches()
    await cluster.ask("PATCH", f"{PVS}/{last}", {"metadata": {"annotations": {cluster.keys.epoch: "7"}}}, MERGE)
    cluster.proxy.fail("GET", path=f"/persistentvolumes/{first}", status=403, times=1)

    with pytest.raises(KubernetesForbidden, match="rolled back"):
        await mooring.publish("vol", "node-a")

    stale.stop()
    assert await holders(cluster, other) == [(None, "8"), (None, "8")]


async def test_a_pv_whose_write_is_refused_for_good_is_told_after_all_others_are_cleared(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    other = await second(backed_worker, cluster)
    first, last = sorted((cluster.pv("vol"), other))
    await mooring.publish("vol", "node-a")
    cluster.proxy.fail("PATCH", path=f"/persistentvolumes/{last}", status=400)

    result = await mooring.unpublish("vol", "node-a")

    assert (result.annotation_cleared, backend.attached["vol"]) == (False, set())
    assert [(await cluster.annotations("vol", name=name)).get(cluster.keys.node) for name in (first, last)] == [None, "node-a"]

"""UnpublishVolume, on a real Temporal server and a Kubernetes API."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import BackendFailed, HeldElsewhere, KubernetesRejected, OperationCancelled
from mooring.models import AccessMode, UnpublishRequest, VolumeRef
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from worker import MooringWorker

RWX = AccessMode.MULTI_NODE_MULTI_WRITER


async def test_an_unpublish_clears_the_record_and_keeps_the_epoch(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol", {"kept": "by someone else"})
    await mooring.publish("vol", "node-a")

    result = await mooring.unpublish("vol", "node-a")

    found = await cluster.annotations("vol")
    assert result.released == ("node-a",)
    assert set(found) == {"kept", cluster.keys.epoch, cluster.keys.operation}
    assert found[cluster.keys.epoch] == "2"


async def test_a_late_unpublish_of_the_old_node_leaves_the_new_holder_alone(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await mooring.unpublish("vol", "node-a")
    await mooring.publish("vol", "node-b")

    result = await mooring.unpublish("vol", "node-a")

    assert result.released == ()
    assert await cluster.holder("vol") == "node-b"


async def test_an_unpublish_that_finds_nothing_moves_the_epoch(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")

    result = await mooring.unpublish("vol", "node-a")

    assert (result.released, result.epoch, await cluster.epoch("vol")) == ((), 1, 1)


async def test_an_empty_node_id_releases_every_node(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a", access_mode=RWX)
    await mooring.publish("vol", "node-b", access_mode=RWX)

    result = await mooring.unpublish("vol")

    assert result.released == ("node-a", "node-b")
    assert backend.attached["vol"] == set()
    assert await cluster.holder("vol") is None


async def test_one_of_several_nodes_leaves_and_the_next_becomes_the_first(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a", access_mode=RWX)
    second = await mooring.publish("vol", "node-b", access_mode=RWX)

    await mooring.unpublish("vol", "node-a")

    status = await mooring.get("vol")
    assert await cluster.holder("vol") == "node-b"
    assert status.record is not None
    assert [held.attached_at for held in status.record.holders] == [second.attached_at]


async def test_a_pv_that_is_gone_is_unpublished(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await cluster.delete("vol")

    result = await mooring.unpublish("vol", "node-a")

    assert result.annotation_cleared
    assert worker.manager.list_attachments() == []


async def test_the_backend_detaches_before_the_record_lets_go(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    backend.unpublish_errors.append(refusal("the device is busy"))

    with pytest.raises(BackendFailed, match=r"vol from node node-a failed; the record is as it was.*the device is busy"):
        await mooring.unpublish("vol", "node-a")

    assert await cluster.holder("vol") == "node-a"


@pytest.mark.parametrize("status", [403, 400, 503])
async def test_a_record_that_cannot_be_cleared_ends_in_success_with_a_warning(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, status: int
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    cluster.proxy.fail("PATCH", status=status, message="not today")

    result = await mooring.unpublish("vol", "node-a")

    assert not result.annotation_cleared
    assert "not today" in result.message


async def test_a_refusal_by_a_server_that_has_not_loaded_the_rights_yet_is_outlasted(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    stale = cluster.proxy.drop("WATCH")
    cluster.proxy.cut_watches()
    await cluster.create("vol", {cluster.keys.node: "node-a"})
    looks = cluster.proxy.fail("GET", path="/persistentvolumes", status=403, times=2)
    cluster.proxy.fail("PATCH", status=403, times=2)

    result = await mooring.unpublish("vol", "node-a")

    stale.stop()
    looks.stop()
    assert (result.released, result.annotation_cleared, await cluster.holder("vol")) == (("node-a",), True, None)


async def test_a_record_that_was_not_cleared_keeps_the_fence_shut(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    cluster.proxy.fail("PATCH", status=400, times=1)
    await mooring.unpublish("vol", "node-a")

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")


async def test_a_record_that_was_not_cleared_raises_an_event_on_the_pv(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    cluster.proxy.fail("PATCH", status=400, times=1)

    await mooring.unpublish("vol", "node-a")

    async with asyncio.timeout(PATIENCE):
        while True:
            events = await cluster.events(cluster.pv("vol"))
            if ("AnnotationNotCleared", "Warning") in [(event["reason"], event["type"]) for event in events]:
                break
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("node", ["nöde", "a&b", "<node>", "del\x7f", "😀", "\u2028", 'quo"te', "slash/~0\\"])
async def test_a_node_id_of_any_characters_is_released(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, node: str
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", node)
    await mooring.publish("vol", node)

    result = await mooring.unpublish("vol", node)

    assert (result.released, await cluster.holder("vol")) == ((node,), None)


async def test_a_cancelled_unpublish_stops_and_is_finished_by_the_next_one(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    held = cluster.proxy.hold("PATCH", times=2)  # at once, and visibly
    unpublish = asyncio.create_task(mooring.unpublish("vol", "node-a"))
    await held.reached()

    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    await temporal_client.get_workflow_handle(names.volume_id(volume)).cancel()
    with pytest.raises(OperationCancelled):
        await unpublish
    result = await mooring.unpublish("vol", "node-a")
    held.release()

    assert (result.released, await held.landed()) == (("node-a",), 422)


async def test_a_stray_that_the_record_names_stays(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, driver: str
) -> None:
    await cluster.create("vol-1")
    await mooring.publish("vol-1", "node-a")
    asked = UnpublishRequest(driver=driver, volume_handle="vol-1", node_id="node-a", stray=True)
    result = await mooring.request_unpublish(asked)

    assert (await cluster.holder("vol-1"), backend.attached) == ("node-a", {"vol-1": {"node-a"}})
    assert "no stray" in result.message


async def test_a_stray_is_detached_and_the_holder_stays(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, driver: str
) -> None:
    await cluster.create("vol-1")
    await mooring.publish("vol-1", "node-a")
    backend.attached["vol-1"].add("node-b")
    asked = UnpublishRequest(driver=driver, volume_handle="vol-1", node_id="node-b", stray=True)
    await mooring.request_unpublish(asked)

    assert (await cluster.holder("vol-1"), backend.attached) == ("node-a", {"vol-1": {"node-a"}})


async def test_a_stray_stays_while_its_record_can_not_be_read(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, driver: str
) -> None:
    await cluster.create("vol-1")
    await mooring.publish("vol-1", "node-a")
    cluster.proxy.fail("GET", status=400)
    asked = UnpublishRequest(driver=driver, volume_handle="vol-1", node_id="node-a", stray=True)
    with pytest.raises(KubernetesRejected):
        await mooring.request_unpublish(asked)

    assert (await cluster.holder("vol-1"), backend.attached) == ("node-a", {"vol-1": {"node-a"}})


async def test_one_decided_at_the_epoch_of_the_record_takes_the_node_away(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, driver: str
) -> None:
    await cluster.create("vol-1")
    held = await mooring.publish("vol-1", "node-a")

    asked = UnpublishRequest(driver=driver, volume_handle="vol-1", node_id="node-a", at_epoch=held.epoch)
    result = await mooring.request_unpublish(asked)

    assert (result.released, await cluster.holder("vol-1")) == (("node-a",), None)


async def test_one_decided_at_an_earlier_epoch_leaves_everything_as_it_is(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, driver: str
) -> None:
    await cluster.create("vol-1")
    seen = await mooring.publish("vol-1", "node-a")
    again = await mooring.publish("vol-1", "node-a")

    asked = UnpublishRequest(driver=driver, volume_handle="vol-1", node_id="node-a", at_epoch=seen.epoch)
    result = await mooring.request_unpublish(asked)

    assert "changed nothing" in result.message
    assert (await cluster.holder("vol-1"), await cluster.epoch("vol-1")) == ("node-a", again.epoch)
    assert backend.attached == {"vol-1": {"node-a"}}


async def test_an_empty_node_id_detaches_what_no_record_names(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    backend.attached["vol"].add("node-b")

    result = await mooring.unpublish("vol")

    assert (result.released, backend.attached["vol"]) == (("node-a",), set())


async def test_a_backend_that_takes_no_empty_node_id_detaches_what_the_record_names(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    backend.needs_node = True

    result = await mooring.unpublish("vol")

    assert (result.released, await cluster.holder("vol"), backend.attached["vol"]) == (("node-a",), None, set())

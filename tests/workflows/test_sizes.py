"""Names and maps as long as Kubernetes passes them, and longer."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import HeldElsewhere, InvalidRequest, RecordTooLarge
from mooring.models import AccessMode, PublishRequest, VolumeRef
from mooring.temporal.visibility import RunVisibility
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.workers import indexed, until
from worker import MooringWorker

LONG = "/subscriptions/" + "日" * 300 + "/disks/"
RWX = AccessMode.MULTI_NODE_MULTI_WRITER


async def test_volumes_whose_long_handles_begin_alike_are_two(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    for number in (1, 2):
        await cluster.create(f"{LONG}{number}", name=f"{number}-{cluster.pv('long')}")
    await mooring.publish(f"{LONG}1", "node-a")

    await mooring.publish(f"{LONG}2", "node-b")

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish(f"{LONG}1", "node-b")
    assert (await mooring.unpublish(f"{LONG}1", "node-a")).released == ("node-a",)


async def test_a_long_handle_waits_for_its_pv_and_is_recorded(
    worker: MooringWorker, temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    assert not (await mooring.publish(LONG, "node-a")).persisted
    runs = RunVisibility(temporal_client, cluster.driver, search_attributes=True)
    waiting: dict[str, object] = {}
    while not waiting:
        waiting.update(await runs.waiting())
    assert [*waiting] == [LONG]

    await cluster.create(LONG, name=cluster.pv("long"))

    run = temporal_client.get_workflow_handle(names.unpersisted_id(VolumeRef(driver=cluster.driver, volume_handle=LONG)))
    await run.result()
    assert (await cluster.annotations("", name=cluster.pv("long")))[cluster.keys.node] == "node-a"


async def test_a_handle_that_is_too_long_to_be_published_is_detached(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    handle = "v" * 2048
    await cluster.create(handle, {cluster.keys.node: "node-a"}, name=cluster.pv("long"))

    with pytest.raises(InvalidRequest, match="1024 bytes"):
        await mooring.publish(handle, "node-a")
    result = await mooring.unpublish(handle, "node-a")

    assert (result.released, result.annotation_cleared) == (("node-a",), True)
    assert backend.journal == [("unpublish", handle, "node-a", 0)]


@pytest.mark.parametrize(("handle", "node"), [("v" * 10_000, "n" * 10_000), ("vol\0\x1b", "\0"), ("v" * 100_000, ""), (" ", " ")])
async def test_no_unpublish_is_refused_for_its_form(worker: MooringWorker, mooring: MooringClient, handle: str, node: str) -> None:
    assert (await mooring.unpublish(handle, node)).released == ()


async def test_a_long_publish_context_is_kept_with_the_record(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.context = {"wwns": "5" * 200_000}

    result = await mooring.publish("vol", "node-a")

    assert result.publish_context == backend.context
    assert (await mooring.publish("vol", "node-a")).publish_context == backend.context


async def test_a_volume_context_of_a_mebibyte_reaches_the_backend(
    backed_worker: MooringWorker, cluster: Cluster, driver: str, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    asked = PublishRequest(driver=driver, volume_handle="vol", node_id="node-a", volume_context={"k": "v" * 1_000_000})

    assert (await mooring.request_publish(asked)).persisted


async def test_a_record_that_has_no_room_on_its_pv_is_refused_with_what_fills_it(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol", {"another.example/notes": "x" * 110_000})
    backend.context = {"wwns": "5" * 80_000}
    await mooring.publish("vol", "node-a", access_mode=RWX)

    with pytest.raises(RecordTooLarge, match=r"volume vol with 2 holders, node node-b.*bytes.*262144.*Unpublish"):
        await mooring.publish("vol", "node-b", access_mode=RWX)

    assert backend.attached == {"vol": {"node-a"}}
    record = (await mooring.get("vol")).record
    assert record is not None
    assert [held.node_id for held in record.holders] == ["node-a"]


async def test_an_in_hand_volume_is_listed_beside_strange_ones(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    keys = cluster.keys
    await cluster.create("v" * 2048, {keys.node: "node-a"}, name=cluster.pv("long"))
    await cluster.create("odd", {keys.node: "n" * 300})
    await cluster.create("good")
    await indexed(worker, "good")
    await until(lambda: worker.manager.nodes_of("v" * 2048) == ["node-a"])

    assert (await mooring.publish("good", "node-a")).persisted
    assert (await mooring.unpublish("good", "node-a")).annotation_cleared

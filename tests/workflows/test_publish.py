"""PublishVolume, on a real Temporal server and a Kubernetes API."""

from __future__ import annotations

import pytest

from mooring.client import MooringClient
from mooring.errors import HeldElsewhere, Incompatible, MalformedRecord
from mooring.models import AccessMode
from mooring.models.times import parse_time
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from worker import MooringWorker

RWX = AccessMode.MULTI_NODE_MULTI_WRITER


async def test_a_publish_records_the_holder_on_the_pv(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")

    result = await mooring.publish("vol", "node-a")

    found = await cluster.annotations("vol")
    assert found[cluster.keys.node] == "node-a"
    assert found[cluster.keys.epoch] == "1"
    assert parse_time(found[cluster.keys.at]) == result.attached_at
    assert cluster.keys.attachments not in found


async def test_the_record_names_the_run_that_wrote_it(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    status = await mooring.get("vol")

    assert status.record is not None
    assert status.record.operation == (await cluster.annotations("vol"))[cluster.keys.operation]


async def test_a_repeated_publish_claims_the_record_anew(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")
    first = await mooring.publish("vol", "node-a")

    again = await mooring.publish("vol", "node-a")

    assert again.reclaimed
    assert (again.attached_at, again.epoch) == (first.attached_at, first.epoch + 1)


async def test_a_second_node_is_refused_and_told_the_holder(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    with pytest.raises(HeldElsewhere, match=r"vol is held by node node-a .* node node-b can't"):
        await mooring.publish("vol", "node-b")

    assert await cluster.epoch("vol") == 1


async def test_the_same_node_otherwise_is_incompatible(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    with pytest.raises(Incompatible, match=r"vol is attached to node node-a as SINGLE_NODE_WRITER, and asked for as .*, readonly"):
        await mooring.publish("vol", "node-a", readonly=True)


async def test_several_nodes_hold_a_multi_node_volume_each_in_its_own_way(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a", access_mode=RWX)
    await mooring.publish("vol", "node-b", access_mode=RWX, readonly=True)

    status = await mooring.get("vol")

    assert status.record is not None
    assert [(held.node_id, held.readonly) for held in status.record.holders] == [("node-a", False), ("node-b", True)]
    assert status.record.holders[0].attached_at < status.record.holders[1].attached_at


async def test_a_multi_node_request_never_joins_a_single_node_attachment(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    with pytest.raises(HeldElsewhere, match="node-a as SINGLE_NODE_WRITER"):
        await mooring.publish("vol", "node-b", access_mode=RWX)


async def test_the_publish_context_is_kept_and_given_again(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    first = await mooring.publish("vol", "node-a")

    again = await mooring.publish("vol", "node-a")

    assert first.publish_context == again.publish_context == {"device": "/dev/sdx"}
    assert [entry[:3] for entry in backend.journal] == [("publish", "vol", "node-a")] * 2


async def test_a_stale_index_refuses_nobody(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    cluster.proxy.drop("WATCH")
    cluster.proxy.cut_watches()
    await cluster.annotate("vol", {cluster.keys.node: None, cluster.keys.at: None, cluster.keys.epoch: "2"})

    result = await mooring.publish("vol", "node-b")

    assert (result.node_id, result.epoch) == ("node-b", 3)


async def test_the_records_of_other_drivers_are_adopted(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.at: "2026-01-31T04:00:41Z", "other/note": "kept"})

    with pytest.raises(HeldElsewhere, match="node-a as an unknown access mode"):
        await mooring.publish("vol", "node-b")
    result = await mooring.publish("vol", "node-a", access_mode=RWX)

    assert (result.attached_at, result.epoch) == (parse_time("2026-01-31T04:00:41Z"), 1)
    assert (await cluster.annotations("vol"))["other/note"] == "kept"


async def test_a_pv_whose_record_contradicts_itself_lets_nobody_in(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol", {cluster.keys.epoch: "seven"})

    with pytest.raises(MalformedRecord, match=r"epoch 'seven'.* correct the annotations with kubectl"):
        await mooring.publish("vol", "node-a")

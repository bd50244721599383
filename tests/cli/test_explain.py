"""`mooring explain`, on real servers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client

from mooring.cli.exit_codes import ExitCode
from mooring.client import MooringClient
from mooring.devstack.proxy import FaultProxy
from mooring.settings import default_task_queue
from mooring.temporal.pollers import Polls
from tests.cli.conftest import Mooring, Ran
from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import MERGE_PATCH, VOLUME_ATTACHMENTS, ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.patience import PATIENCE
from worker import MooringWorker
from workflows.registry import WORKFLOWS


@pytest.fixture
def existing(cluster: Cluster, kubernetes: Kubernetes) -> ExistingCluster:
    """The cluster's own view of the test's volumes: their VolumeAttachments and nodes."""
    return ExistingCluster(cluster, real=kubernetes.audit is not None)


async def join(existing: ExistingCluster, node_id: str, ready: str = "True", *taints: str) -> None:
    """Have a Node for the node id."""
    spec = {"taints": [{"key": key, "effect": "NoExecute"} for key in taints]}
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": existing.name(node_id)}, "spec": spec}
    await existing.cluster.ask("POST", "/api/v1/nodes", body)
    status = {"status": {"conditions": [{"type": "Ready", "status": ready}]}}
    path = f"/api/v1/nodes/{existing.name(node_id)}" + ("/status" if existing.real else "")
    await existing.cluster.ask("PATCH", path, status, MERGE_PATCH)


async def until(look: Mooring, there: Callable[[Any], bool]) -> Ran:
    """Return the command's findings about the volume, once they are as wanted."""
    async with asyncio.timeout(PATIENCE):
        while True:
            ran = await look("explain", "vol", "-o", "json")
            if ran.out and there(ran.data):
                return ran
            await asyncio.sleep(0.1)


@activity.defn
async def nothing() -> None:
    """Do nothing, in place of any step of the main task queue."""


def situations(ran: Ran) -> list[str]:
    return [advice["situation"] for advice in ran.data["what_to_do"]]


async def test_a_volume_that_is_held_as_it_should_be(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, look: Mooring
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await existing.attach("vol", "node-a")
    await join(existing, "node-a")
    ran = await until(look, lambda data: bool(data["runs"]) and bool(data["runs"][0]["ended_at"]))
    [holder], [node], [wanted] = ran.data["holders"], ran.data["nodes"], ran.data["volume_attachments"]
    assert (ran.code, situations(ran)) == (ExitCode.OK, ["nothing-wrong"])
    assert (holder["node_id"], ran.data["epoch"], ran.data["holders_known"]) == ("node-a", 1, True)
    assert (node["name"], node["ready"], node["registered"]) == (existing.name("node-a"), "True", True)
    assert (wanted["node_id"], wanted["attached"]) == ("node-a", True)


async def test_people_read_one_page(
    worker: MooringWorker, cluster: Cluster, existing: ExistingCluster, mooring: MooringClient, look: Mooring
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await existing.attach("vol", "node-a")
    await join(existing, "node-a")
    await until(look, lambda data: bool(data["runs"]))
    page = (await look("explain", "vol")).out
    parts = [
        "Volume:",
        "Held by:",
        "Epoch:",
        "\nPersistentVolume\n",
        "\nVolumeAttachments\n",
        "\nNodes\n",
        "\nLast operations (1)\n",
    ]
    places = [page.find(part) for part in [*parts, "\nWhat to do\n  1. Nothing is wrong. Held by node-a"]]
    assert -1 not in places
    assert places == sorted(places)


async def test_a_holder_whose_node_is_gone_is_to_be_evacuated(cluster: Cluster, existing: ExistingCluster, look: Mooring) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "4"})
    await existing.attach("vol", "node-a")
    ran = await look("explain", "vol", "-o", "yaml")
    assert (ran.code, situations(ran)) == (ExitCode.OK, ["holder-gone"])
    assert ran.data["what_to_do"][0]["commands"] == ["mooring evacuate node-a"]


async def test_a_node_id_that_nothing_knows_may_be_a_living_nodes(
    cluster: Cluster, existing: ExistingCluster, look: Mooring
) -> None:
    await cluster.create("vol", {cluster.keys.node: "i-0abc", cluster.keys.epoch: "4"})
    ran = await look("explain", "vol", "-o", "yaml")
    assert situations(ran) == ["holder-unknown"]
    assert "the driver is not registered on it" in ran.data["what_to_do"][0]["says"]


@pytest.mark.parametrize(
    ("ready", "taints", "situation"),
    [("Unknown", [], "holder-not-ready"), ("True", ["node.kubernetes.io/out-of-service"], "holder-out-of-service")],
)
async def test_a_holder_that_is_not_well_is_told(
    cluster: Cluster, existing: ExistingCluster, look: Mooring, ready: str, taints: list[str], situation: str
) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "4"})
    await existing.attach("vol", "node-a")
    await join(existing, "node-a", ready, *taints)
    assert situations(await look("explain", "vol", "-o", "json")) == [situation]


async def test_an_attachment_that_no_record_knows_is_to_be_adopted(
    cluster: Cluster, existing: ExistingCluster, look: Mooring
) -> None:
    await cluster.create("vol")
    await existing.attach("vol", "node-a")
    assert situations(await look("explain", "vol", "-o", "json")) == ["attached-not-recorded"]


async def test_a_volume_that_two_nodes_have_is_disputed(cluster: Cluster, existing: ExistingCluster, look: Mooring) -> None:
    await cluster.create("vol")
    await existing.attach("vol", "node-a")
    await existing.attach("vol", "node-b")
    ran = await look("explain", "vol", "-o", "json")
    assert situations(ran) == ["disputed"]
    assert "mooring unpublish vol node-b" in ran.data["what_to_do"][0]["commands"]


async def test_a_record_that_nothing_asks_for_is_told(cluster: Cluster, existing: ExistingCluster, look: Mooring) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "4"})
    await existing.register("node-a")
    await join(existing, "node-a")
    assert situations(await look("explain", "vol", "-o", "json")) == ["recorded-not-attached"]


async def test_a_detach_that_fails_is_told_with_the_attachers_words(
    cluster: Cluster, existing: ExistingCluster, look: Mooring
) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "4"})
    name = await existing.attach("vol", "node-a")
    await join(existing, "node-a")
    path = f"{VOLUME_ATTACHMENTS}/{name}" + ("/status" if existing.real else "")
    await cluster.ask("PATCH", path, {"status": {"detachError": {"message": "the array is away"}}}, MERGE_PATCH)
    await existing.leave(name)
    ran = await look("explain", "vol", "-o", "json")
    assert situations(ran) == ["detach-fails"]
    assert "the array is away" in ran.data["what_to_do"][0]["says"]
    assert "the array is away" in (await look("explain", "vol")).out


async def test_a_record_that_cant_be_read_is_told(cluster: Cluster, look: Mooring) -> None:
    await cluster.create("vol", {cluster.keys.epoch: "many"})
    ran = await look("explain", "vol", "-o", "json")
    assert situations(ran) == ["unreadable-record"]
    assert "Held by: ?" in (await look("explain", "vol")).out


async def test_two_pvs_that_disagree_about_the_holder_are_told(cluster: Cluster, look: Mooring) -> None:
    await cluster.create("vol", name=f"one-{cluster.pv('vol')}")
    await cluster.create("vol", name=f"two-{cluster.pv('vol')}")
    assert situations(await look("explain", "vol", "-o", "json")) == ["nothing-wrong"]
    for name in ("one", "two"):
        await cluster.create("odd", {cluster.keys.node: f"node-{name}"}, name=f"{name}-{cluster.pv('odd')}")
    ran = await look("explain", "odd", "-o", "json")
    assert situations(ran)[0] == "duplicate-volume"
    assert ran.data["what_to_do"][0]["commands"] == ["mooring unpublish odd node-one", "mooring unpublish odd node-two"]


async def test_an_operation_that_lacks_rights_says_what_to_grant(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, look: Mooring
) -> None:
    await cluster.create("vol")
    cluster.proxy.lose_answer("PATCH", times=1)
    refusing = cluster.proxy.fail("GET", status=403, message="no such right")
    failing = cluster.proxy.fail("PATCH", status=403, message="no such right")
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    ran = await until(look, lambda data: any(advice["situation"] == "no-rights" for advice in data["what_to_do"]))
    [advice] = [each for each in ran.data["what_to_do"] if each["situation"] == "no-rights"]
    assert "no such right" in advice["says"]
    assert "kubectl apply -f deploy/kubernetes/rbac.yaml" in advice["commands"]
    refusing.stop()
    failing.stop()
    await asyncio.wait([publish])
    assert publish.exception() is not None


async def test_an_operation_that_waits_says_for_what(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, look: Mooring
) -> None:
    await cluster.create("vol")
    failing = cluster.proxy.fail("PATCH", status=503, message="etcd is away")
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    ran = await until(look, lambda data: "retrying" in [advice["situation"] for advice in data["what_to_do"]])
    page = (await look("explain", "vol")).out
    failing.stop()
    await publish
    assert "etcd is away" in ran.data["what_to_do"][0]["says"]
    assert "\nOpen operation\n" in page


async def test_a_volume_without_a_pv_is_told(worker: MooringWorker, mooring: MooringClient, look: Mooring) -> None:
    await mooring.publish("vol", "node-a")
    ran = await look("explain", "vol", "-o", "json")
    assert (ran.code, situations(ran)) == (ExitCode.OK, ["waits-for-pv"])
    assert "node-a, which waits for a PersistentVolume" in (await look("explain", "vol")).out


async def test_what_is_nowhere_is_not_found(look: Mooring) -> None:
    ran = await look("explain", "vol", "-o", "json")
    assert (ran.code, ran.out) == (ExitCode.NOT_FOUND, "")


async def test_without_temporal_the_kubernetes_half_is_shown(cluster: Cluster, existing: ExistingCluster, look: Mooring) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "4"})
    ran = await look("explain", "vol", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert ran.code == ExitCode.UNAVAILABLE
    assert re.search(r"^Held by: +node-a since", ran.out, re.MULTILINE)
    assert "Error: Temporal at 127.0.0.1:1 can't be reached" in ran.err


async def test_without_kubernetes_the_operations_are_shown(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, look: Mooring, operator: FaultProxy
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    with operator.outage():
        ran = await look("explain", "vol")
    [holder] = [line for line in ran.out.splitlines() if line.startswith("Held by:")]
    assert (ran.code, "node-a" in holder) == (ExitCode.UNAVAILABLE, True)
    assert "node-a" in ran.out[ran.out.index("Last operations") :]
    assert "list PersistentVolumes" in ran.err


async def test_rights_that_the_operator_lacks_hide_no_more_than_their_part(
    cluster: Cluster, existing: ExistingCluster, look: Mooring, operator: FaultProxy
) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "4"})
    operator.fail("GET", path="/volumeattachments", status=403)
    ran = await look("explain", "vol", "-o", "json")
    assert (ran.code, len(ran.data["pvs"])) == (ExitCode.FAILED, 1)
    assert "VolumeAttachments" in ran.err


async def test_a_handle_that_can_be_none_is_a_usage_error(look: Mooring) -> None:
    assert (await look("explain", "")).code == ExitCode.USAGE


async def test_the_workers_of_both_task_queues_are_listed(worker: MooringWorker, cluster: Cluster, look: Mooring) -> None:
    await cluster.create("vol")

    ran = await look("explain", "vol", "-o", "json")
    page = (await look("explain", "vol")).out

    [name] = ran.data["workers"]
    assert ran.data["waiters"] == [name]
    assert re.search(rf"Workers\n +Operations: +{name}\n +Waits: +{name}\n", page)


async def test_a_task_queue_that_nobody_polls_is_told_with_what_waits_for_it(
    temporal_client: Client, cluster: Cluster, look: Mooring
) -> None:
    await cluster.create("vol")
    polls = Polls(temporal_client, "old-worker", 1, [], pytest.fail)
    async with polls.polling(default_task_queue(cluster.driver), WORKFLOWS, [nothing], 1):
        ran = await until(look, lambda data: data["workers"] == ["old-worker"])
        page = (await look("explain", "vol")).out

    assert ran.data["waiters"] == []
    assert re.search("Waits: +<none>: evacuations, heals and the watch over migrations wait", page)

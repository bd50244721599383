"""Proof that a node is dead, and what is none."""

from __future__ import annotations

import asyncio
import re

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError

from mooring import names
from mooring.client import MooringClient
from mooring.errors import NothingToApprove
from mooring.evacuation.client import Evacuation, approve
from mooring.models import Approval
from mooring.states import State, meaning
from tests.harness.cluster import Cluster
from tests.harness.dead_node import FOREVER, NODES, TAINT, DeadNode, ended
from tests.harness.details import SINCE, details
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker
from worker import MooringWorker

VOLUMES = ("vol-1", "vol-2", "vol-3")
WORD = Approval(by="ada", reason="the rack has no power")


async def told_in_the_history(evacuation: Evacuation) -> str:
    """Return the arguments of the updates that its history has accepted."""
    events = [event async for event in evacuation.fetch_history_events()]
    accepted = [event.workflow_execution_update_accepted_event_attributes.accepted_request for event in events]
    return "".join(payload.data.decode() for request in accepted for payload in request.input.args.payloads)


async def test_a_node_that_is_out_of_service_loses_all_its_volumes(nurse: MooringWorker, dead_node: DeadNode) -> None:
    await dead_node.admit(*VOLUMES)
    await dead_node.taint(TAINT)

    result = await ended(await dead_node.evacuate(asked_by="ada"))

    assert (result.state, result.released, result.left, result.asked_by) == (State.EVACUATED, 3, 0, "ada")
    assert "has the taint node.kubernetes.io/out-of-service" in result.evidence
    assert await dead_node.holders(*VOLUMES) == [None, None, None]


async def test_operators_see_it_on_the_node(nurse: MooringWorker, dead_node: DeadNode, cluster: Cluster) -> None:
    await dead_node.admit("vol")
    evacuation = await dead_node.evacuate()
    await dead_node.reaches(evacuation, State.AWAITING_PROOF, total=1)
    await approve(evacuation, WORD)
    await ended(evacuation)

    notes: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE):
        while not {"EvacuationWaits", "EvacuationCompleted"} <= notes.keys():
            await asyncio.sleep(0.2)
            notes = {each["reason"]: each["note"] for each in await cluster.events(dead_node.name)}
    assert "mooring approve evacuate/node-a" in notes["EvacuationWaits"]
    assert "ada confirmed it: the rack has no power" in notes["EvacuationCompleted"]


async def test_another_node_keeps_what_it_holds(nurse: MooringWorker, dead_node: DeadNode, cluster: Cluster) -> None:
    await dead_node.admit("vol")
    await DeadNode(cluster, dead_node.client, dead_node.mooring, "node-b", "other").admit("other")
    await dead_node.taint(TAINT)

    await ended(await dead_node.evacuate())

    assert await dead_node.holders("vol", "other") == [None, "node-b"]


async def test_a_node_that_is_gone_for_long_enough_loses_its_volumes(nurse: MooringWorker, dead_node: DeadNode) -> None:
    await dead_node.admit("vol")
    await dead_node.go()

    result = await ended(await dead_node.evacuate(node_name=dead_node.name))

    assert (result.state, result.released) == (State.EVACUATED, 1)
    assert f"there is no Node {dead_node.name}, nor was there one since" in result.evidence


async def test_a_node_that_is_just_gone_keeps_its_volumes(temporal_client: Client, cluster: Cluster, dead_node: DeadNode) -> None:
    settings = quick(cluster.driver, node_check="csinode", evacuate="off", node_gone=FOREVER)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await dead_node.admit("vol")
        await dead_node.go()
        evacuation = await dead_node.evacuate(node_name=dead_node.name)
        progress = await dead_node.reaches(evacuation, State.AWAITING_PROOF, total=1)
        await evacuation.terminate()

    assert f"There is no Node {dead_node.name}" in progress.waits_for
    assert await dead_node.holders("vol") == ["node-a"]


async def test_a_node_that_comes_back_while_it_is_waited_for_keeps_its_volumes(
    temporal_client: Client, cluster: Cluster, dead_node: DeadNode
) -> None:
    settings = quick(cluster.driver, node_check="csinode", evacuate="off", node_gone=FOREVER)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await dead_node.admit("vol")
        await dead_node.go()
        evacuation = await dead_node.evacuate(node_name=dead_node.name, automatic=True)
        await dead_node.reaches(evacuation, State.AWAITING_PROOF, total=1)
        await dead_node.come_back()
        await dead_node.evacuate(automatic=True)
        result = await ended(evacuation)

    assert (result.state, result.released, result.left) == (State.NOT_NEEDED, 0, 1)
    assert f"Node {dead_node.name} exists" in result.message
    assert await dead_node.holders("vol") == ["node-a"]


async def test_a_live_node_waits_for_an_approval_which_is_in_the_result_and_the_history(
    nurse: MooringWorker, dead_node: DeadNode
) -> None:
    await dead_node.admit("vol")
    evacuation = await dead_node.evacuate()
    progress = await dead_node.reaches(evacuation, State.AWAITING_PROOF, total=1)
    assert "mooring approve evacuate/node-a --by" in progress.waits_for
    assert await dead_node.holders("vol") == ["node-a"]

    said = await approve(evacuation, WORD)
    result = await ended(evacuation)

    assert "approved by ada" in said
    assert (result.state, result.released, result.approval) == (State.EVACUATED, 1, WORD)
    assert "ada confirmed it: the rack has no power" in result.evidence
    assert "the rack has no power" in await told_in_the_history(evacuation)


async def test_an_approval_without_a_reason_is_refused(nurse: MooringWorker, dead_node: DeadNode) -> None:
    await dead_node.admit("vol")
    evacuation = await dead_node.evacuate()
    await dead_node.reaches(evacuation, State.AWAITING_PROOF)

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await evacuation.execute_update(names.APPROVE, {"by": "ada", "reason": " "})

    assert "reason must not be empty" in str(refused.value.cause)
    assert await dead_node.holders("vol") == ["node-a"]
    await evacuation.terminate()


async def test_what_is_proven_takes_no_approval(nurse: MooringWorker, dead_node: DeadNode, cluster: Cluster) -> None:
    await dead_node.admit("vol")
    await dead_node.taint(TAINT)
    held = cluster.proxy.hold("PATCH", path=cluster.pv("vol"), times=1)
    evacuation = await dead_node.evacuate()
    await dead_node.reaches(evacuation, State.EVACUATING)

    with pytest.raises(NothingToApprove, match="has the taint"):
        await approve(evacuation, WORD)

    held.release()
    assert (await ended(evacuation)).approval is None


async def test_what_has_ended_takes_no_approval(nurse: MooringWorker, dead_node: DeadNode) -> None:
    await dead_node.admit("vol")
    await dead_node.taint(TAINT)
    evacuation = await dead_node.evacuate()
    await ended(evacuation)

    with pytest.raises(NothingToApprove, match="has ended"):
        await approve(evacuation, WORD)


async def test_a_node_without_volumes_needs_no_proof(nurse: MooringWorker, dead_node: DeadNode) -> None:
    await dead_node.admit()

    result = await ended(await dead_node.evacuate())

    assert (result.state, result.released) == (State.NOT_NEEDED, 0)
    assert f"no volume is recorded as held by it (Node {dead_node.name} exists" in result.message


async def test_a_node_whose_name_nothing_tells_waits_for_an_approval(
    temporal_client: Client, cluster: Cluster, dead_node: DeadNode
) -> None:
    settings = quick(cluster.driver, node_check="off", node_gone=0.1)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await dead_node.hold("vol")
        evacuation = await dead_node.evacuate()
        progress = await dead_node.reaches(evacuation, State.AWAITING_PROOF, total=1)
        await approve(evacuation, WORD)
        result = await ended(evacuation)

    assert "No Node is known to have the CSI node id node-a" in progress.waits_for
    assert (result.state, result.released, result.node_name) == (State.EVACUATED, 1, "")


async def test_without_a_csinode_the_name_is_what_the_attacher_has_noted(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, kubernetes: Kubernetes
) -> None:
    noted = DeadNode(cluster, temporal_client, mooring, machine="node-a")
    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig()):
        await noted.hold("vol")
        await ExistingCluster(cluster, kubernetes.audit is not None).attach("vol", "node-a", known=False, noted="node-a")
        await noted.come_back()
        await noted.taint(TAINT)
        result = await ended(await noted.evacuate())

    assert (result.state, result.released, result.node_name) == (State.EVACUATED, 1, noted.name)


@pytest.mark.parametrize("node_check", ["csinode", "off"])
async def test_the_taint_of_a_node_with_another_id_now_proves_nothing(
    temporal_client: Client, cluster: Cluster, dead_node: DeadNode, node_check: str
) -> None:
    settings = quick(cluster.driver, node_check=node_check, evacuate="off")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await dead_node.admit("vol")
        await dead_node.go()
        await DeadNode(cluster, dead_node.client, dead_node.mooring, "node-b").admit()
        await dead_node.taint(TAINT)

        evacuation = await dead_node.evacuate(node_name=dead_node.name)
        progress = await dead_node.reaches(evacuation, State.AWAITING_PROOF, total=1)
        await evacuation.terminate()

    assert "its CSI node id is node-b now" in progress.waits_for
    assert await dead_node.holders("vol") == ["node-a"]


async def test_the_run_says_at_every_look_what_it_waits_for_and_what_to_do(nurse: MooringWorker, dead_node: DeadNode) -> None:
    await dead_node.admit("vol")
    evacuation = await dead_node.evacuate()
    await dead_node.reaches(evacuation, State.AWAITING_PROOF, total=1)
    await asyncio.sleep(0.5)

    shown = await details(evacuation, "proof that node node-a is dead")

    assert "`mooring approve evacuate/node-a --by WHO --reason WHY`" in shown
    assert meaning(State.AWAITING_PROOF) in shown
    assert f"`kubectl taint node {dead_node.name} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`" in shown
    assert "NODE" not in shown
    assert re.search(f"{SINCE}.*proof", shown)
    await evacuation.terminate()


async def test_a_look_whose_answer_comes_late_is_made_anew(temporal_client: Client, cluster: Cluster, dead_node: DeadNode) -> None:
    settings = quick(cluster.driver, node_check="csinode", evacuate="off", node_gone=FOREVER)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await dead_node.admit("vol")
        await dead_node.taint(TAINT)
        away = cluster.proxy.fail("GET", path=NODES, status=503)
        evacuation = await dead_node.evacuate()
        await asyncio.sleep(4)
        away.stop()
        refused = cluster.proxy.count("GET", NODES)
        await ended(evacuation)

        assert cluster.proxy.count("GET", NODES) > refused + 1

"""A node id that several Nodes go by is dead only once each of them is."""

from __future__ import annotations

from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, DeadNode, ended
from worker import MooringWorker


async def test_the_taint_of_a_dead_node_leaves_the_volumes_of_the_live_one_of_its_id(
    nurse: MooringWorker, dead_node: DeadNode, cluster: Cluster
) -> None:
    twin = DeadNode(cluster, dead_node.client, dead_node.mooring, dead_node.node_id, "zz-twin")
    await twin.admit()
    await dead_node.admit("vol")
    await twin.taint(TAINT)
    evacuation = await dead_node.evacuate(node_name=twin.name)
    progress = await dead_node.reaches(evacuation, State.AWAITING_PROOF, total=1)

    assert f"Node {dead_node.name} exists and is not Ready, and Node {twin.name} has the taint" in progress.waits_for
    assert "Each of them has to have the taint" in progress.waits_for
    assert await dead_node.holders("vol") == ["node-a"]
    await evacuation.terminate()


async def test_it_is_evacuated_once_all_are_out_of_service_and_the_evidence_names_them(
    nurse: MooringWorker, dead_node: DeadNode, cluster: Cluster
) -> None:
    twin = DeadNode(cluster, dead_node.client, dead_node.mooring, dead_node.node_id, "twin")
    await twin.admit()
    await dead_node.admit("vol")
    await twin.taint(TAINT)
    await dead_node.taint(TAINT)

    result = await ended(await dead_node.evacuate())

    assert (result.state, result.released) == (State.EVACUATED, 1)
    assert all(f"Node {each.name} has the taint" in result.evidence for each in (dead_node, twin))


async def test_one_that_is_gone_must_have_been_gone_for_long_enough(
    nurse: MooringWorker, dead_node: DeadNode, cluster: Cluster
) -> None:
    twin = DeadNode(cluster, dead_node.client, dead_node.mooring, dead_node.node_id, "twin")
    await twin.admit()
    await dead_node.admit("vol")
    evacuation = await dead_node.evacuate()
    await dead_node.reaches(evacuation, State.AWAITING_PROOF, total=1)
    await twin.go()
    await dead_node.taint(TAINT)

    result = await ended(evacuation)

    assert (result.state, result.released) == (State.EVACUATED, 1)
    assert f"and there is no Node {twin.name}, nor was there one since" in result.evidence

"""kill -9 of the worker in mid-evacuation: the next one goes on."""

from __future__ import annotations

from mooring.states import State
from tests.harness.dead_node import TAINT, DeadNode, ended
from tests.harness.processes import Fleet, backed


async def test_an_evacuation_outlives_the_worker_that_began_it(fleet: Fleet, dead_node: DeadNode) -> None:
    settings = backed(node_check="csinode", evacuate_at_once=2, backend_timeout=25, backend_budget=60)
    first = await (await fleet.start(**settings)).ready()
    volumes = [f"vol-{number}" for number in range(5)]
    await dead_node.admit(*volumes)
    fleet.journal.hold("unpublish", "vol-1")
    await dead_node.taint(TAINT)
    await fleet.journal.reached("unpublish", "vol-1")

    await first.child.kill()
    fleet.journal.release("unpublish", "vol-1")
    await (await fleet.start(**settings)).ready()
    result = await ended(dead_node.evacuation)

    assert (result.state, result.released, result.left) == (State.EVACUATED, 5, 0)
    assert await dead_node.holders(*volumes) == [None] * 5
    assert [fleet.journal.attached(volume) for volume in volumes] == [set()] * 5

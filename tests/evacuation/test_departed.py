"""A volume of a dead node whose PV went: named, and left to an operator."""

from __future__ import annotations

import pytest

from mooring.client import MooringClient
from mooring.errors import Disputed
from mooring.states import State
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, DeadNode, ended
from tests.harness.workers import until
from worker import MooringWorker


@pytest.fixture
async def departed(nurse: MooringWorker, dead_node: DeadNode, cluster: Cluster) -> None:
    """The node is out of service, holds `vol`, and held `lost` when that one's PV went."""
    await dead_node.admit("vol", "lost")
    await cluster.delete("lost")
    await until(lambda: nurse.manager.departures.get("lost") is not None)
    await dead_node.taint(TAINT)


async def test_it_is_named_with_the_command_that_releases_it(departed: None, dead_node: DeadNode, mooring: MooringClient) -> None:
    result = await ended(await dead_node.evacuate())

    assert (result.state, result.released, result.left, result.departed) == (State.EVACUATED, 1, 0, ("lost",))
    assert "1 volume released, 0 left; the PersistentVolumes of some that it held were deleted" in result.message
    assert "`mooring unpublish lost node-a`" in result.message


async def test_it_is_not_released_as_no_epoch_says_that_nobody_has_published_it_since(
    departed: None, dead_node: DeadNode, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await DeadNode(cluster, dead_node.client, mooring, "node-b", "other").admit()

    await ended(await dead_node.evacuate())

    assert not [call for call in backend.journal if call[:2] == ("unpublish", "lost")]
    with pytest.raises(Disputed, match="node-a"):
        await mooring.publish("lost", "node-b")


async def test_once_it_is_unpublished_it_is_named_no_more(
    nurse: MooringWorker, departed: None, dead_node: DeadNode, mooring: MooringClient
) -> None:
    await mooring.unpublish("lost", "node-a")
    await until(lambda: not nurse.manager.departures.open())

    assert (await ended(await dead_node.evacuate())).departed == ()


async def test_where_the_node_holds_nothing_else_that_is_told_too(
    departed: None, dead_node: DeadNode, mooring: MooringClient
) -> None:
    await mooring.unpublish("vol", "node-a")
    await dead_node.taint()

    result = await ended(await dead_node.evacuate())

    assert (result.state, result.departed) == (State.NOT_NEEDED, ("lost",))
    assert "`mooring unpublish lost node-a`" in result.message

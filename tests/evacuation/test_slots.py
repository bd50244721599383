"""Dead nodes with more volumes than a worker has slots, and a backend that hangs: everybody else's volumes go on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.models import AccessMode, AccessType, BackendCall, PublishRequest
from mooring.states import State
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.dead_node import TAINT, DeadNode, ended
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker, until
from worker import MooringWorker

SLOTS: Final = 8
WAITS: Final = 4
"""What half of the slots are for."""
FEWEST: Final = 4
"""The fewest slots that a worker may have: two for what releases ask for, one for a wait for a PV, one for everybody else."""
LATE: Final = ("late-0", "late-1")
"""More volumes without a PV than there is a share of the slots for."""
NODES: Final = ("node-1", "node-2", "node-3")
EACH: Final = 5
"""Volumes of each node, all of which its evacuation would release at once."""


@dataclass(slots=True)
class Hanging(JournalBackend):
    """A backend that detaches nothing before it is let go on."""

    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    hanging: int = 0

    async def unpublish(self, call: BackendCall) -> None:
        """Detach, in the end."""
        self.hanging += 1
        try:
            await self.goes_on.wait()
        finally:
            self.hanging -= 1
        await JournalBackend.unpublish(self, call)


@pytest.fixture
def backend() -> Hanging:
    return Hanging()


@pytest.fixture
def slots() -> int:
    """The slots of the worker."""
    return SLOTS


@pytest.fixture
async def small(
    temporal_client: Client, cluster: Cluster, driver: str, backend: Hanging, slots: int
) -> AsyncIterator[MooringWorker]:
    """A worker with few slots, and long patience with its backend."""
    bounds = {
        "backend_timeout": 60,
        "backend_budget": 120,
        "heartbeat_timeout": 5,
        "attempt_timeout": 10,
        "publish_budget": PATIENCE,
    }
    crowd = {"evacuate_at_once": EACH, "activity_slots": slots, "migration_nodes": 2}
    settings = quick(driver, node_check="csinode", evacuate="off", node_gone=1, backend="in:tests", **bounds, **crowd)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as running:
        yield running


@pytest.fixture
async def dying(small: MooringWorker, cluster: Cluster, temporal_client: Client, mooring: MooringClient) -> list[DeadNode]:
    """Three nodes with their volumes, all of them out of service."""
    dead_nodes = [DeadNode(cluster, temporal_client, mooring, node, f"machine-{node}") for node in NODES]
    for dead_node in dead_nodes:
        await dead_node.admit(*(f"{dead_node.node_id}-vol-{number}" for number in range(EACH)))
        await dead_node.taint(TAINT)
    return dead_nodes


async def test_three_dead_nodes_and_a_backend_that_hangs_leave_room_for_publishes(
    dying: list[DeadNode], cluster: Cluster, temporal_client: Client, mooring: MooringClient, backend: Hanging
) -> None:
    alive = DeadNode(cluster, temporal_client, mooring, "node-4", "machine-4")
    await alive.admit()
    evacuations = [await dead_node.evacuate() for dead_node in dying]
    for dead_node, evacuation in zip(dying, evacuations, strict=True):
        await dead_node.reaches(evacuation, State.EVACUATING)
    await until(lambda: backend.hanging == WAITS)

    await alive.hold(*(f"live-{number}" for number in range(4)))

    assert backend.hanging == WAITS
    backend.goes_on.set()
    for evacuation in evacuations:
        assert (await ended(evacuation)).released == EACH


def migrating(driver: str, node: str) -> PublishRequest:
    """Return the request for a block volume that migrates."""
    mode, block = AccessMode.MULTI_NODE_MULTI_WRITER, AccessType(block=True)
    return PublishRequest(driver=driver, volume_handle="vm", node_id=node, access_mode=mode, access_type=block)


@pytest.mark.parametrize("slots", [FEWEST])
async def test_the_fewest_slots_leave_one_for_publishes_though_every_wait_has_its_share(
    small: MooringWorker, cluster: Cluster, temporal_client: Client, mooring: MooringClient, backend: Hanging
) -> None:
    dead = DeadNode(cluster, temporal_client, mooring)
    alive, other = (DeadNode(cluster, temporal_client, mooring, node, node) for node in ("node-b", "node-c"))
    await dead.admit(*(f"vol-{number}" for number in range(EACH)))
    await alive.admit()
    await other.admit()
    await dead.taint(TAINT)
    evacuation = await dead.evacuate()
    await until(lambda: backend.hanging == FEWEST // 2)
    for handle in LATE:
        await mooring.publish(handle, "node-b")
    await until(lambda: not all(each.persisted for each in small.manager.list_attachments()))

    await cluster.create("vm")
    for node in ("node-b", "node-c"):
        await mooring.request_publish(migrating(cluster.driver, node))
    await alive.hold("live-0", "live-1")

    assert backend.hanging == FEWEST // 2
    backend.goes_on.set()
    assert (await ended(evacuation)).released == EACH

"""The cost of an operation to the API when nobody interferes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from mooring.client import MooringClient
from mooring.errors import HeldElsewhere
from tests.harness.cluster import Cluster
from tests.harness.workers import indexed
from tests.system.rights.conftest import Cost
from worker import MooringWorker

CostOf = Callable[[Awaitable[object]], Awaitable[Cost]]


@pytest.fixture
async def cost_of(worker: MooringWorker, cluster: Cluster, spent: Callable[[], Cost]) -> CostOf:
    """A function that awaits an operation on the volume `vol` and returns its cost."""

    async def measured(operation: Awaitable[object]) -> Cost:
        writes, reads = spent()
        await operation
        after = spent()
        return after[0] - writes, after[1] - reads

    await cluster.create("vol")
    await indexed(worker, "vol")
    return measured


async def refused(operation: Awaitable[object]) -> None:
    with pytest.raises(HeldElsewhere):
        await operation


async def test_a_publish_costs_one_write_and_no_read(cost_of: CostOf, mooring: MooringClient) -> None:
    assert await cost_of(mooring.publish("vol", "node-a")) == (1, 0)


async def test_a_repeated_publish_costs_one_write_and_no_read(cost_of: CostOf, mooring: MooringClient) -> None:
    await mooring.publish("vol", "node-a")

    assert await cost_of(mooring.publish("vol", "node-a")) == (1, 0)


async def test_an_unpublish_costs_one_write_and_no_read(cost_of: CostOf, mooring: MooringClient) -> None:
    await mooring.publish("vol", "node-a")

    assert await cost_of(mooring.unpublish("vol", "node-a")) == (1, 0)


async def test_a_refusal_costs_one_read_and_no_write(cost_of: CostOf, mooring: MooringClient) -> None:
    await mooring.publish("vol", "node-a")

    assert await cost_of(refused(mooring.publish("vol", "node-b"))) == (0, 1)

"""A call of the driver that comes to life again after the volume has moved on: refused, or found and repaired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc import StatusCode
from temporalio.client import Client

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from tests.harness.cluster import Cluster
from tests.harness.co import Peer, refused
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.orders import Order
from tests.harness.front import SCHEDULED, fronting

STRICT = "strict.csi.example"


@pytest.fixture
def driver() -> str:
    return STRICT


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[ReferenceDriver]:
    """A driver that refuses a fencing token lower than one it has seen."""
    async with ReferenceDriver.start(tmp_path, "--name", STRICT, "--enforce-fencing") as started:
        yield started


@pytest.fixture
async def front(temporal_client: Client, account: ApiServer, strict: ReferenceDriver, tmp_path: Path) -> AsyncIterator[Peer]:
    """Mooring in front of it, with little patience for its calls."""
    short = {"backend_timeout": 1, "backend_budget": 2}
    async with fronting(temporal_client, account.kubeconfig(), strict.endpoint, tmp_path, **short) as co:
        yield co


async def test_a_driver_that_knows_the_token_refuses_a_straggler(front: Peer, strict: ReferenceDriver, volume: str) -> None:
    stuck = strict.order(Order(rpc="publish", volume=volume, node="node-a", hold="before"))
    with refused(StatusCode.UNAVAILABLE, volume, "rolled back"):
        await front.publish(volume, "node-a", deadline=30)
    await front.publish(volume, "node-b")
    stragglers = [call.number for call in strict.calls() if call.node == "node-a" and call.rpc == "publish"]
    strict.withdraw(stuck)

    assert {await strict.answered(number) for number in stragglers} == {"FAILED_PRECONDITION"}
    assert (strict.attached(), strict.violations()) == ({volume: {"node-b"}}, [])


async def test_one_that_a_heedless_driver_carries_out_is_found_and_detached(
    temporal_client: Client, account: ApiServer, cluster: Cluster, volume: str, tmp_path: Path
) -> None:
    async with (
        ReferenceDriver.start(tmp_path, "--name", STRICT) as heedless,
        fronting(
            temporal_client, account.kubeconfig(), heedless.endpoint, tmp_path, backend_timeout=1, backend_budget=2, **SCHEDULED
        ) as co,
    ):
        stuck = heedless.order(Order(rpc="publish", volume=volume, node="node-a", hold="before", times=1))
        heedless.order(Order(rpc="publish", volume=volume, node="node-a", fail="UNAVAILABLE"))
        with refused(StatusCode.UNAVAILABLE, volume, "rolled back"):
            await co.publish(volume, "node-a", deadline=30)
        await co.publish(volume, "node-b")
        heedless.withdraw(stuck)
        await heedless.answered(1)
        assert heedless.attached() == {volume: {"node-a", "node-b"}}
        await _until_repaired(heedless, volume)

    assert await cluster.holder(volume) == "node-b"


async def _until_repaired(driver: ReferenceDriver, volume: str) -> None:
    async with asyncio.timeout(20):
        while driver.attached()[volume] != {"node-b"}:
            await asyncio.sleep(0.1)


async def test_a_volume_whose_pv_is_gone_is_still_detached(
    temporal_client: Client, account: ApiServer, strict: ReferenceDriver, cluster: Cluster, volume: str, tmp_path: Path
) -> None:
    for part in ("first", "second"):
        (tmp_path / part).mkdir()
    async with fronting(temporal_client, account.kubeconfig(), strict.endpoint, tmp_path / "first") as co:
        await co.publish(volume, "node-a")
    await cluster.delete(volume)
    async with fronting(temporal_client, account.kubeconfig(), strict.endpoint, tmp_path / "second") as co:
        await co.unpublish(volume, "node-a")

    assert strict.attached() == {}

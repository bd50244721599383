"""The driver's own list against the records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, csi_client
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.orders import Order
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.sidecar import fronting
from tests.reconciliation.conftest import Begin, Reconcile, found


@pytest.fixture
async def storage(driver: str, tmp_path: Path) -> AsyncIterator[ReferenceDriver]:
    """A driver that enforces fencing tokens; a call past Mooring has none."""
    async with ReferenceDriver.start(tmp_path, "--name", driver) as started:
        yield started


@pytest.fixture
async def alone(storage: ReferenceDriver) -> AsyncIterator[CsiClient]:
    """The way to the driver past Mooring."""
    async with csi_client(storage.endpoint) as past:
        yield past


@pytest.fixture
async def co(
    temporal_client: Client, cluster: Cluster, storage: ReferenceDriver, tmp_path: Path, alone: CsiClient
) -> AsyncIterator[CsiClient]:
    """A CO to which VolumeAttachments are nothing, with `vol` on node-b."""
    bounds = {"reconcile_settle": 0.2, "backend_timeout": 20, "backend_budget": 30, "drift_guard": 1, "approval_wait": 0.2}
    async with fronting(temporal_client, cluster.proxy.kubeconfig(), storage.endpoint, tmp_path, **bounds) as sidecar:
        await cluster.create("vol")
        await sidecar.publish("vol", "node-b")
        yield sidecar


def of(kind: str, drifts: list[tuple[str, str, str, str]]) -> list[tuple[str, str, str, str]]:
    return [drift for drift in drifts if drift[0] == kind]


async def test_a_node_that_no_record_names_is_detached(
    co: CsiClient, alone: CsiClient, storage: ReferenceDriver, reconcile: Reconcile
) -> None:
    await alone.publish("vol", "node-a")

    result = await reconcile()

    assert of("unknown_to_record", found(result)) == [("unknown_to_record", "vol", "node-a", "healed")]
    assert storage.attached() == {"vol": {"node-b"}}


async def test_the_guard_covers_them(co: CsiClient, alone: CsiClient, storage: ReferenceDriver, reconcile: Reconcile) -> None:
    for node in ("node-a", "node-c"):
        await alone.publish("vol", node)

    result = await reconcile()

    assert (result.state, result.healed, storage.attached()) == (State.DRIFTED, 0, {"vol": {"node-a", "node-b", "node-c"}})


async def test_a_holder_that_the_driver_does_not_have_is_reported(
    co: CsiClient, alone: CsiClient, cluster: Cluster, existing: ExistingCluster, reconcile: Reconcile
) -> None:
    await existing.attach("vol", "node-b")
    await alone.unpublish("vol", "node-b")

    assert found(await reconcile()) == [("unknown_to_backend", "vol", "node-b", "left")]
    assert await cluster.holder("vol") == "node-b"


async def test_where_the_driver_does_not_list_its_volumes_the_rest_is_compared(
    co: CsiClient, storage: ReferenceDriver, reconcile: Reconcile
) -> None:
    await storage.kill()

    result = await reconcile()

    assert of("holder_without_volume_attachment", found(result))
    assert any("UNAVAILABLE" in why for why in result.not_compared)
    assert "Not compared" in result.message


async def test_an_operation_under_way_does_not_show(
    co: CsiClient, cluster: Cluster, storage: ReferenceDriver, begin: Begin
) -> None:
    await co.unpublish("vol", "node-b")
    stuck = storage.order(Order(rpc="publish", volume="vol", node="node-a", hold="before"))
    publishing = asyncio.create_task(co.publish("vol", "node-a", deadline=30))
    await storage.holds(stuck)

    result = await (await begin()).result()
    storage.withdraw(stuck)
    await publishing

    assert (result.state, result.counts) == (State.IN_STEP, {})

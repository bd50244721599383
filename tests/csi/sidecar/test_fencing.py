"""A call of the driver that resumes after the volume has moved on: refused, or found and repaired."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError
from temporalio.client import Client

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.models import VolumeRef
from mooring.names import volume_id
from tests.harness.cluster import PVS, Cluster
from tests.harness.csi_client import CsiClient, csi_client, refused
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.orders import Order
from tests.harness.patience import PATIENCE
from tests.harness.sidecar import SCHEDULED, fronting

STRICT = "strict.csi.example"


@pytest.fixture
def driver() -> str:
    return STRICT


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[ReferenceDriver]:
    """A driver that enforces fencing tokens."""
    async with ReferenceDriver.start(tmp_path, "--name", STRICT) as started:
        yield started


@pytest.fixture
async def sidecar(
    temporal_client: Client, cluster: Cluster, strict: ReferenceDriver, tmp_path: Path, bounds: dict[str, float]
) -> AsyncIterator[CsiClient]:
    """Mooring in front of it."""
    async with fronting(temporal_client, cluster.proxy.kubeconfig(), strict.endpoint, tmp_path, **bounds) as co:
        yield co


@pytest.fixture
def bounds() -> dict[str, float]:
    """The bounds of calls that the test depends on."""
    return {}


async def _late(strict: ReferenceDriver, stuck: Order) -> set[str]:
    """Return the answers of the calls that the order held, now that nobody waits for them any longer."""
    strict.expects_stragglers = True
    held = [entry.call.number for entry in strict.entries() if entry.event == "held" and entry.order == stuck.id]
    strict.withdraw(stuck)
    return {await strict.answered(number) for number in held}


async def _hanging(
    sidecar: CsiClient,
    storage: ReferenceDriver,
    volume: str,
    client: Client,
    meanwhile: Callable[[], Awaitable[object]] | None = None,
) -> Order:
    """Have a publish to node-a cancelled and rolled back while its call hangs in the driver."""
    stuck = storage.order(Order(rpc="publish", volume=volume, node="node-a", hold="before"))
    publish = asyncio.create_task(sidecar.publish(volume, "node-a"))
    await storage.holds(stuck)
    if meanwhile is not None:
        await meanwhile()
    await client.get_workflow_handle(volume_id(VolumeRef(driver=STRICT, volume_handle=volume))).cancel()
    with refused(StatusCode.ABORTED, volume, "cancelled"):
        await publish
    return stuck


async def test_a_driver_that_knows_the_token_refuses_a_straggler(
    sidecar: CsiClient, strict: ReferenceDriver, volume: str, temporal_client: Client
) -> None:
    stuck = await _hanging(sidecar, strict, volume, temporal_client)
    await sidecar.publish(volume, "node-b")

    assert await _late(strict, stuck) == {"FAILED_PRECONDITION"}
    assert (strict.attached(), strict.violations()) == ({volume: {"node-b"}}, [])


async def test_an_attach_that_was_rolled_back_is_refused_before_anybody_else_attaches(
    sidecar: CsiClient, strict: ReferenceDriver, volume: str, temporal_client: Client
) -> None:
    stuck = await _hanging(sidecar, strict, volume, temporal_client)
    asked = [(call.rpc, call.token) for call in strict.calls()]
    assert set(asked) == {("publish", 2), ("unpublish", 3)}  # NB: there are drivers that take an equal one

    assert await _late(strict, stuck) == {"FAILED_PRECONDITION"}
    await sidecar.publish(volume, "node-b")
    assert (strict.attached(), strict.violations()) == ({volume: {"node-b"}}, [])


async def test_an_attach_is_refused_that_was_rolled_back_after_the_pv_had_gone(
    sidecar: CsiClient, strict: ReferenceDriver, cluster: Cluster, volume: str, temporal_client: Client
) -> None:
    stuck = await _hanging(sidecar, strict, volume, temporal_client, lambda: cluster.delete(volume))

    assert await _late(strict, stuck) == {"FAILED_PRECONDITION"}
    assert strict.attached() == {}


@pytest.mark.parametrize("bounds", [{"backend_timeout": 1}])
async def test_a_detach_that_hangs_is_refused_once_the_node_has_claimed_the_volume_again(
    sidecar: CsiClient, strict: ReferenceDriver, volume: str
) -> None:
    await sidecar.publish(volume, "node-a")
    stuck = strict.order(Order(rpc="unpublish", volume=volume, hold="before", times=1))
    await sidecar.unpublish(volume, "node-a")
    await sidecar.publish(volume, "node-a")

    assert await _late(strict, stuck) == {"FAILED_PRECONDITION"}
    assert strict.attached() == {volume: {"node-a"}}


async def test_a_detach_of_a_run_that_was_terminated_is_refused_once_the_node_has_claimed_the_volume_again(
    sidecar: CsiClient, strict: ReferenceDriver, volume: str, temporal_client: Client
) -> None:
    await sidecar.publish(volume, "node-a")
    stuck = strict.order(Order(rpc="unpublish", volume=volume, hold="before", times=1))
    unpublish = asyncio.create_task(sidecar.unpublish(volume, "node-a"))
    await strict.holds(stuck)
    await temporal_client.get_workflow_handle(volume_id(VolumeRef(driver=STRICT, volume_handle=volume))).terminate()
    with pytest.raises(AioRpcError):
        await unpublish
    await sidecar.publish(volume, "node-a")

    assert await _late(strict, stuck) == {"FAILED_PRECONDITION"}
    assert strict.attached() == {volume: {"node-a"}}


@pytest.mark.parametrize("seen", [True, False], ids=["the-driver-knows", "the-driver-does-not-know"])
async def test_an_unpublish_by_an_index_that_is_behind_detaches_at_the_live_epoch(
    sidecar: CsiClient, strict: ReferenceDriver, cluster: Cluster, volume: str, seen: bool
) -> None:
    await sidecar.publish(volume, "node-a")
    watch = cluster.proxy.drop("WATCH")
    cluster.proxy.cut_watches()
    await cluster.annotate(volume, {cluster.keys.epoch: "40"})
    if seen:
        strict.expects_stragglers = True
        async with csi_client(strict.endpoint) as another_worker:
            await another_worker.publish(volume, "node-a", token=80)
    await sidecar.unpublish(volume, "node-a")
    watch.stop()

    assert [call.token for call in strict.calls() if call.rpc == "unpublish"][-1] == 81
    assert (strict.attached(), await cluster.holder(volume), await cluster.epoch(volume)) == ({}, None, 41)


@pytest.mark.parametrize("node", ["node-a", ""], ids=["its-holder", "all-nodes"])
@pytest.mark.parametrize("altered", [None, "1"], ids=["stripped", "lowered"])
async def test_a_volume_whose_record_was_altered_is_detached_above_what_was_seen(
    sidecar: CsiClient, strict: ReferenceDriver, cluster: Cluster, volume: str, node: str, altered: str | None
) -> None:
    await _outlive_another_pv(sidecar, cluster, volume)
    epoch, keys = await cluster.epoch(volume), cluster.keys
    await cluster.annotate(volume, {keys.node: None, keys.at: None, keys.attachments: None, keys.epoch: altered})
    with refused(StatusCode.FAILED_PRECONDITION, f"it was at epoch {epoch}, held by node-a"):
        await sidecar.publish(volume, "node-b")

    await sidecar.unpublish(volume, node)

    assert strict.calls()[-1].token == 2 * epoch + 1
    assert (strict.attached(), await cluster.holder(volume), await cluster.epoch(volume)) == ({}, None, epoch + 1)


async def _outlive_another_pv(sidecar: CsiClient, cluster: Cluster, volume: str) -> None:
    """Have node-a hold the volume by a PV that names another one, now gone, as bearing the record too: no index is sure of that."""
    other = f"other-{cluster.pv(volume)}"
    await sidecar.publish(volume, "node-a")
    await cluster.create(volume, name=other)
    async with asyncio.timeout(PATIENCE):
        while cluster.keys.node not in await cluster.annotations(volume, name=other):
            await sidecar.publish(volume, "node-a")
    await cluster.ask("DELETE", f"{PVS}/{other}")


async def test_a_volume_without_a_pv_bears_no_token_until_it_has_one(
    sidecar: CsiClient, strict: ReferenceDriver, cluster: Cluster
) -> None:
    handle = f"vol-{uuid.uuid4().hex[:8]}"
    await sidecar.publish(handle, "node-a")
    await sidecar.unpublish(handle, "node-a")
    await sidecar.publish(handle, "node-a")
    await cluster.create(handle)
    async with asyncio.timeout(PATIENCE):
        while await cluster.holder(handle) != "node-a":
            await asyncio.sleep(0.05)
    epoch = await cluster.epoch(handle)
    await sidecar.unpublish(handle, "node-a")

    assert [call.token for call in strict.calls()] == [None, None, None, 2 * epoch + 1]


async def test_one_that_a_heedless_driver_carries_out_is_found_and_detached(
    temporal_client: Client, account: ApiServer, cluster: Cluster, volume: str, tmp_path: Path
) -> None:
    async with (
        ReferenceDriver.start(tmp_path, "--name", STRICT, "--heedless") as heedless,
        fronting(temporal_client, account.kubeconfig(), heedless.endpoint, tmp_path, **SCHEDULED) as co,
    ):
        stuck = await _hanging(co, heedless, volume, temporal_client)
        await co.publish(volume, "node-b")
        heedless.withdraw(stuck)
        await heedless.answered(1)
        assert heedless.attached() == {volume: {"node-a", "node-b"}}
        await _until_repaired(heedless, volume)

    assert await cluster.holder(volume) == "node-b"


async def _until_repaired(driver: ReferenceDriver, volume: str) -> None:
    async with asyncio.timeout(PATIENCE):
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

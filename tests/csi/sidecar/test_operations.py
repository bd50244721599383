"""Publish and unpublish reach the driver, fenced, and its answers reach the CO."""

from __future__ import annotations

import asyncio

import pytest
from grpc import StatusCode, aio

from mooring.csi.driver import FINAL
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, goes_on, mount, refused, shared_block
from tests.harness.driver.controller import publish_context
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.journal import Call
from tests.harness.driver.orders import Order


def _calls(reference: ReferenceDriver, volume: str) -> list[Call]:
    return [call for call in reference.calls() if call.volume == volume]


async def test_the_driver_attaches_and_its_context_is_given_again(
    sidecar: CsiClient, reference: ReferenceDriver, volume: str
) -> None:
    assert await sidecar.publish(volume, "node-a") == publish_context(volume, "node-a")
    assert await sidecar.publish(volume, "node-a") == publish_context(volume, "node-a")
    assert reference.attached()[volume] == {"node-a"}


async def test_each_call_carries_the_fencing_token_of_its_record(
    sidecar: CsiClient, reference: ReferenceDriver, volume: str
) -> None:
    await sidecar.publish(volume, "node-a")
    await sidecar.unpublish(volume, "node-a")
    await sidecar.publish(volume, "node-b")

    assert [(call.rpc, call.node) for call in _calls(reference, volume)] == [
        ("publish", "node-a"),
        ("unpublish", "node-a"),
        ("publish", "node-b"),
    ]
    claimed, kept_context, claimed_again = 1, 2, 4
    tokens = [call.token for call in _calls(reference, volume)]
    assert tokens == [2 * claimed, 2 * kept_context + 1, 2 * claimed_again]


@pytest.mark.parametrize("code", sorted(code.name for code in FINAL))
async def test_a_final_answer_reaches_the_co_and_leaves_nothing(
    sidecar: CsiClient, reference: ReferenceDriver, cluster: Cluster, volume: str, code: str
) -> None:
    reference.order(Order(rpc="publish", volume=volume, fail=code))
    with refused(StatusCode[code], volume, "node-a", code):
        await sidecar.publish(volume, "node-a")

    assert (await cluster.holder(volume), volume in reference.attached()) == (None, False)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED", "UNKNOWN", "CANCELLED"])
async def test_an_uncertain_answer_is_asked_again(sidecar: CsiClient, reference: ReferenceDriver, volume: str, code: str) -> None:
    reference.order(Order(rpc="publish", volume=volume, lose=code, times=1))

    assert await sidecar.publish(volume, "node-a") == publish_context(volume, "node-a")
    assert [call.rpc for call in _calls(reference, volume)] == ["publish", "publish"]


@pytest.mark.parametrize("code", ["INTERNAL", "NOT_FOUND"])
async def test_a_rollback_lasts_until_the_driver_detaches(
    sidecar: CsiClient, reference: ReferenceDriver, cluster: Cluster, volume: str, code: str
) -> None:
    reference.order(Order(rpc="publish", volume=volume, fail="INTERNAL"))
    stuck = reference.order(Order(rpc="unpublish", volume=volume, fail=code))
    assert volume in await goes_on(lambda deadline: sidecar.publish(volume, "node-a", deadline=deadline))
    assert await cluster.holder(volume) == "node-a"
    reference.withdraw(stuck)
    with refused(StatusCode.INTERNAL, volume):
        await sidecar.publish(volume, "node-a")

    assert await cluster.holder(volume) is None


async def test_a_slow_detach_keeps_the_next_node_waiting(sidecar: CsiClient, reference: ReferenceDriver, volume: str) -> None:
    await sidecar.publish(volume, "node-a")
    slow = reference.order(Order(rpc="unpublish", volume=volume, hold="before"))
    detach = asyncio.create_task(sidecar.unpublish(volume, "node-a"))
    await reference.holds(slow)
    attach = asyncio.create_task(sidecar.publish(volume, "node-b"))
    await asyncio.sleep(0.2)
    reference.withdraw(slow)
    await asyncio.gather(detach, attach)

    assert [call.rpc for call in _calls(reference, volume)] == ["publish", "unpublish", "publish"]
    assert (reference.attached()[volume], reference.violations()) == ({"node-b"}, [])


async def test_a_driver_that_knows_nothing_of_a_holder_is_not_taken_at_its_word(
    sidecar: CsiClient, reference: ReferenceDriver, cluster: Cluster, volume: str
) -> None:
    await sidecar.publish(volume, "node-a")
    reference.order(Order(rpc="unpublish", volume=volume, fail="NOT_FOUND", times=1))
    with refused(StatusCode.NOT_FOUND, volume, "node-a"):
        await sidecar.unpublish(volume, "node-a")

    assert await cluster.holder(volume) == "node-a"


async def test_what_neither_driver_nor_record_knows_is_detached(
    sidecar: CsiClient, reference: ReferenceDriver, volume: str
) -> None:
    reference.order(Order(rpc="unpublish", volume=volume, fail="NOT_FOUND"))

    await sidecar.unpublish(volume, "node-a")


async def test_no_room_may_be_said_of_an_answer_that_grpc_has_no_room_for(
    sidecar: CsiClient, reference: ReferenceDriver, cluster: Cluster, volume: str
) -> None:
    reference.order(Order(rpc="publish", volume=volume, lose="RESOURCE_EXHAUSTED"))
    with refused(StatusCode.RESOURCE_EXHAUSTED, volume):
        await sidecar.publish(volume, "node-a")

    assert (await cluster.holder(volume), volume in reference.attached()) == (None, False)


async def test_no_message_shows_what_is_secret(sidecar: CsiClient, reference: ReferenceDriver, volume: str) -> None:
    reference.order(Order(rpc="publish", volume=volume, fail="INTERNAL"))
    flags = mount(flags=("ro", "of=volume", "as ordered"))
    secrets = {str(end): "fails as ordered, not applied"[:end] for end in range(5, 30)}  # each part of the next
    with pytest.raises(aio.AioRpcError) as caught:
        await sidecar.publish(volume, "node-a", volume_capability=flags, secrets=secrets)

    assert "ordered" not in (caught.value.details() or "")


async def test_a_block_volume_is_shared_by_any_number_of_nodes(
    sidecar: CsiClient, reference: ReferenceDriver, cluster: Cluster, volume: str
) -> None:
    for node in ("node-a", "node-b", "node-c"):
        await sidecar.publish(volume, node, volume_capability=shared_block())
    await sidecar.unpublish(volume, "node-a")

    assert (await cluster.holder(volume), reference.attached()[volume]) == ("node-b", {"node-b", "node-c"})

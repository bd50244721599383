"""Faults that the reference driver can be ordered to add to its calls."""

from __future__ import annotations

import asyncio

import pytest
from grpc import StatusCode

from tests.harness.csi_client import CsiClient, refused
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.orders import DROP, Order

SECRETS = {"secret": "canary"}


async def test_a_held_call_is_applied_when_it_is_released(driver: ReferenceDriver, caller: CsiClient) -> None:
    order = driver.order(Order(volume="held", hold="before"))
    publish = asyncio.create_task(caller.publish("held", "node-a"))
    await driver.holds(order)
    assert "held" not in driver.attached()
    driver.withdraw(order)
    await publish
    assert driver.attached()["held"] == {"node-a"}


async def test_a_held_call_is_applied_though_its_caller_has_gone(driver: ReferenceDriver, caller: CsiClient) -> None:
    order = driver.order(Order(volume="straggler", hold="before"))
    with refused(StatusCode.DEADLINE_EXCEEDED):
        await caller.publish("straggler", "node-a", deadline=0.5)
    await driver.holds(order)
    call = next(each for each in driver.calls() if each.volume == "straggler")
    driver.withdraw(order)
    assert await driver.answered(call.number) == "OK"
    assert driver.attached()["straggler"] == {"node-a"}


async def test_a_straggler_is_refused_by_its_token(strict: ReferenceDriver, strict_caller: CsiClient) -> None:
    order = strict.order(Order(volume="late", node="late-a", hold="before"))
    straggler = asyncio.create_task(strict_caller.publish("late", "late-a", token=1, secrets=SECRETS))
    await strict.holds(order)
    await strict_caller.publish("late", "late-b", token=3, secrets=SECRETS)
    strict.withdraw(order)
    with refused(StatusCode.FAILED_PRECONDITION, "1", "3"):
        await straggler
    assert strict.attached()["late"] == {"late-b"}
    assert not strict.violations()


async def test_a_held_answer_comes_after_the_attach(driver: ReferenceDriver, caller: CsiClient) -> None:
    order = driver.order(Order(volume="silent", hold="after"))
    publish = asyncio.create_task(caller.publish("silent", "node-a"))
    await driver.holds(order)
    assert driver.attached()["silent"] == {"node-a"}
    driver.withdraw(order)
    await publish


async def test_a_call_fails_as_often_as_ordered(driver: ReferenceDriver, caller: CsiClient) -> None:
    driver.order(Order(volume="failing", rpc="publish", fail="RESOURCE_EXHAUSTED", times=2))
    for _ in range(2):
        with refused(StatusCode.RESOURCE_EXHAUSTED, "failing", "not applied"):
            await caller.publish("failing", "node-a")
        assert "failing" not in driver.attached()
    await caller.publish("failing", "node-a")


@pytest.mark.parametrize("code", [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED], ids=lambda code: code.name)
async def test_an_answer_is_lost_and_the_attach_stays(driver: ReferenceDriver, caller: CsiClient, code: StatusCode) -> None:
    volume = f"lost-{code.name}"
    driver.order(Order(volume=volume, lose=code.name, times=1))
    with refused(code, volume):
        await caller.publish(volume, "node-a")
    assert driver.attached()[volume] == {"node-a"}


async def test_a_driver_that_dies_after_the_attach_finds_it_again(strict: ReferenceDriver, strict_caller: CsiClient) -> None:
    strict.order(Order(volume="dropped", lose=DROP, times=1))
    with refused(StatusCode.UNAVAILABLE):
        await strict_caller.publish("dropped", "dropped-node", secrets=SECRETS)
    await strict.restart()
    await strict_caller.publish("dropped", "dropped-node", secrets=SECRETS)
    assert [entry.event for entry in strict.entries() if entry.call.volume == "dropped"].count("attach") == 1


async def test_a_slow_call_is_applied_in_the_end(driver: ReferenceDriver, caller: CsiClient) -> None:
    driver.order(Order(volume="slow", rpc="unpublish", delay_seconds=0.05))
    await caller.publish("slow", "node-a")
    await caller.unpublish("slow", "node-a")
    assert "slow" not in driver.attached()


async def test_an_order_leaves_other_calls_alone(driver: ReferenceDriver, caller: CsiClient) -> None:
    driver.order(Order(volume="chosen", node="node-b", rpc="publish", fail="INTERNAL"))
    await caller.publish("chosen", "node-a")
    await caller.unpublish("chosen", "node-b")
    await caller.publish("unchosen", "node-b")

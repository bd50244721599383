"""The way of one call through the driver: received, perhaps slowed, held or failed as ordered, applied, and answered.

Contract: once received, a call goes this way to its end, whether its caller still waits or not: no deadline stops a disk array.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, TypeVar

import grpc

from tests.harness.driver.journal import Call, Journal
from tests.harness.driver.orders import DROP, Order, OrderBook
from tests.harness.driver.storage import Refusal

GLANCE_SECONDS: Final = 0.02

R = TypeVar("R")


class Passage:
    """The passage that takes the calls of one driver through."""

    def __init__(self, journal: Journal, book: OrderBook) -> None:
        self._journal = journal
        self._book = book
        self._under_way: set[asyncio.Task[object]] = set()

    async def take(self, call: Call, apply: Callable[[], R]) -> R | Refusal:
        """Obey the orders for the call and apply it; return its answer."""
        self._journal.write("call", call)
        task = asyncio.create_task(self._go(call, apply))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _go(self, call: Call, apply: Callable[[], R]) -> R | Refusal:
        answer: R | Refusal
        try:
            answer = await self._obey(self._ordered(call), call, apply)
        except Refusal as refusal:
            answer = refusal
        self._journal.write("answer", call, code=answer.code.name if isinstance(answer, Refusal) else "OK")
        return answer

    def _ordered(self, call: Call) -> Order:
        order = self._book.take(call)
        if order.id:
            self._journal.write("order", call, order=order.id)
        return order

    async def _obey(self, order: Order, call: Call, apply: Callable[[], R]) -> R:
        await asyncio.sleep(order.delay_seconds)
        await self._hold(order, call, "before")
        _fail(order.fail, call, "not applied")
        answer = apply()
        await self._hold(order, call, "after")
        _fail(order.lose, call, "applied")
        return answer

    async def _hold(self, order: Order, call: Call, when: str) -> None:
        if order.hold != when:
            return
        self._journal.write("held", call, order=order.id)
        while self._book.in_force(order):
            await asyncio.sleep(GLANCE_SECONDS)


def _fail(code: str, call: Call, done: str) -> None:
    if code == DROP:
        os._exit(1)  # nobody is told anything, as when a machine loses power
    if code:
        raise Refusal(grpc.StatusCode[code], f"{call.rpc} of volume {call.volume} on node {call.node!r} fails as ordered, {done}")

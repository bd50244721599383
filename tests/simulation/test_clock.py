"""The loop on virtual time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.simulation.clock import START, StalledError, now, run

DAY = 86_400.0


def test_a_day_of_sleep_passes_at_once_and_to_the_second() -> None:
    async def sleep() -> timedelta:
        await asyncio.sleep(DAY)
        return now() - START

    assert run(sleep()) == timedelta(days=1)


def test_those_who_sleep_wake_in_order() -> None:
    woken = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(seconds)

    async def all_sleep() -> None:
        await asyncio.gather(*(sleep(seconds) for seconds in (3.0, 1.0, 2.0)))

    run(all_sleep())
    assert woken == [1.0, 2.0, 3.0]


def test_a_timeout_ends_what_never_comes() -> None:
    async def wait() -> timedelta:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return now() - START

    assert run(wait()) == timedelta(seconds=5)


def test_tasks_that_wait_for_each_other_are_named() -> None:
    async def wait() -> None:
        await asyncio.create_task(asyncio.Event().wait(), name="hopeless")

    with pytest.raises(StalledError, match="hopeless"):
        run(wait())


def test_what_a_thread_would_do_is_done_at_once() -> None:
    async def ask() -> int:
        return await asyncio.to_thread(lambda: 42)

    assert run(ask()) == 42


def test_a_group_cancels_its_tasks_in_the_same_order_each_time() -> None:
    def order() -> list[int]:
        ended: list[int] = []

        async def member(number: int) -> None:
            try:
                await asyncio.sleep(DAY)
            finally:
                ended.append(number)

        async def group() -> None:
            async with asyncio.TaskGroup() as members:
                for number in range(50):
                    members.create_task(member(number))
                await asyncio.sleep(1)
                raise ValueError

        with pytest.raises(ExceptionGroup):
            run(group())
        return ended

    assert order() == order()
    assert len(order()) == 50

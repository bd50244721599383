"""The loop on virtual time."""

from __future__ import annotations

import asyncio
import gc
from datetime import datetime, timedelta

import pytest

from tests.simulation.clock import START, Process, StalledError, call_later, now, run

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


async def _noted(told: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        told.append("cleaned up")


async def _killed(told: list[str]) -> Process:
    process = Process("killed")
    process.run(_noted(told))
    await asyncio.sleep(1)
    process.kill()
    return process


def test_the_clean_up_of_what_was_killed_waits_for_the_end_of_the_world() -> None:
    told: list[str] = []

    async def main() -> None:
        process = await _killed(told)
        gc.collect()
        await asyncio.sleep(DAY)
        process.resume()
        await asyncio.sleep(DAY)
        assert told == []

    run(main())
    assert told == ["cleaned up"]


def test_what_is_killed_while_it_is_paused_does_not_go_on() -> None:
    async def main() -> list[int]:
        steps: list[int] = []

        async def step() -> None:
            for number in range(3):
                steps.append(number)
                await asyncio.sleep(10)

        process = Process("paused")
        process.run(step())
        await asyncio.sleep(15)
        process.pause()
        await asyncio.sleep(15)
        process.kill()
        process.resume()
        await asyncio.sleep(DAY)
        return steps

    assert run(main()) == [0, 1]


def test_a_timer_of_the_world_outside_does_not_outlast_the_world() -> None:
    told: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(10)
            told.append("cleaned up")

    async def main() -> None:
        process = Process("killed")
        process.run(work())
        await asyncio.sleep(1)
        process.kill()
        call_later(1, told.append, "a timer")

    run(main())
    assert told == ["cleaned up"]


def test_a_clean_up_without_end_does_not_hold_up_the_end() -> None:
    tries: list[datetime] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            while True:
                tries.append(now())
                await asyncio.sleep(1)

    async def main() -> None:
        process = Process("killed")
        process.run(work())
        await asyncio.sleep(1)
        process.kill()

    run(main())
    assert tries

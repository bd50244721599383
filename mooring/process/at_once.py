"""The same question about many things, some of them at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
Q = TypeVar("Q")


async def ask_each(ask: Callable[[Q], Awaitable[T]], questions: Iterable[Q], at_once: int) -> list[T]:
    """Return the answers in the order of the questions, at most `at_once` of them under way.

    Raises:
        Exception: the first error of `ask`, which ends the other questions.

    """
    turns = asyncio.Semaphore(at_once)

    async def in_turn(question: Q) -> T:
        async with turns:
            return await ask(question)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(in_turn(question)) for question in questions]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]

"""The same question about many things, some of them at a time."""

from __future__ import annotations

import asyncio

import pytest

from mooring.process.at_once import ask_each
from tests.harness.patience import PATIENCE


async def test_the_answers_are_in_the_order_of_the_questions_whichever_comes_first() -> None:
    later = asyncio.Event()

    async def ask(question: str) -> str:
        if question == "second":
            later.set()
        await later.wait()
        return question.upper()

    assert await ask_each(ask, ["first", "second"], 2) == ["FIRST", "SECOND"]


async def test_no_more_are_under_way_than_were_permitted() -> None:
    under_way, most = 0, 0

    async def ask(_: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    await ask_each(ask, range(20), 3)

    assert most == 3


async def test_the_first_error_is_raised_as_it_is_and_ends_the_other_questions() -> None:
    ended = list[str]()

    async def ask(question: str) -> None:
        if question == "bad":
            raise LookupError(question)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(question)

    with pytest.raises(LookupError, match="bad"):
        await asyncio.wait_for(ask_each(ask, ["hangs", "bad"], 2), PATIENCE)

    assert ended == ["hangs"]

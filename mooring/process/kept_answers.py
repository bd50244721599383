"""Answers that are kept for some seconds, by their question.

Contract: a caller is answered by a call that began `keep` seconds ago at most, or is under way. A failure is raised for the callers
that waited for it, and the next one asks again, unless the failure is one that lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mooring.process.single_flight import retrieve_failure

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T]):
    began: float
    answer: asyncio.Task[T]

    def is_good(self, since: float, lasting: type[Exception]) -> bool:
        if not self.answer.done():
            return True
        if self.began <= since or self.answer.cancelled():
            return False
        return isinstance(self.answer.exception(), lasting | None)


class KeptAnswers(Generic[T]):
    """The answers of `ask`, which bounds itself, to any number of questions, `at_once` of them under way.

    `now` counts seconds; `lasting` is the failure that is kept, too.
    """

    def __init__(
        self, ask: Callable[[str], Awaitable[T]], now: Callable[[], float], keep: float, at_once: int, lasting: type[Exception]
    ) -> None:
        self._ask = ask
        self._now = now
        self._keep = keep
        self._lasting = lasting
        self._turns = asyncio.Semaphore(at_once)
        self._asked: dict[str, _Asked[T]] = {}

    async def of(self, question: str) -> T:
        """Return the answer that is kept, or else a new one; raise the errors of `ask`."""
        since = self._now() - self._keep
        known = self._asked.get(question)
        if known is None or not known.is_good(since, self._lasting):
            self._asked = {each: asked for each, asked in self._asked.items() if asked.is_good(since, self._lasting)}
            known = self._asked[question] = _Asked(self._now(), asyncio.create_task(self._answer(question)))
            known.answer.add_done_callback(retrieve_failure)
        return await asyncio.shield(known.answer)  # one caller that is cancelled takes nothing from the others

    async def _answer(self, question: str) -> T:
        async with self._turns:
            return await self._ask(question)

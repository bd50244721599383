"""Questions and their results. A question is put with a time limit, and not at all if one that it needs has failed.

Contract: a question never raises. An error that it meets is its answer: a failure with the cause.

Not kept here: the questions themselves, and the output of answers (mooring/cli/check.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mooring.errors import MooringError
from mooring.kubernetes.api import Gone, NotFound, Refused
from mooring.models import Model

HANDBOOK: Final = "docs/operations.md"
"""The document in which every check has a section of its own, by its id."""
SECONDS: Final = 15.0
"""Seconds that one question may take; the requests that it makes are bounded more tightly."""


class Result(StrEnum):
    """Result of a check. A warning is no failure."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(Model):
    """One check and its result. `cause` and `fix` are "" if all is well; `fix` also if it was skipped.

    `fix` is for people, `command` for a shell: one of them may be "".
    """

    group: str
    id: str
    description: str
    result: Result
    cause: str = ""
    fix: str = ""
    command: str = ""
    link: str


class CheckReport(Model):
    """All checks, in the order in which they are shown. `ok`: none failed."""

    ok: bool
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Outcome of a question; `detail` is worth knowing even if all is well."""

    result: Result
    cause: str = ""
    fix: str = ""
    command: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One check: `what` is true if all is well. `needs`: the ids of checks without whose success it can't be asked.

    `fix` is the advice for an error that has none.
    """

    group: str
    id: str
    what: str
    ask: Callable[[], Awaitable[Answer]]
    fix: str = ""
    needs: tuple[str, ...] = ()


def ok(detail: str = "") -> Answer:
    """Answer that all is well."""
    return Answer(Result.OK, detail=detail)


def warning(cause: str, fix: str, command: str = "") -> Answer:
    """Answer that it works, but not as it should."""
    return Answer(Result.WARNING, cause, fix, command)


def failed(cause: str, fix: str, command: str = "") -> Answer:
    """Answer that it has failed."""
    return Answer(Result.FAILED, cause, fix, command)


def skipped(cause: str) -> Answer:
    """Answer that there is nothing to ask, or no one to answer."""
    return Answer(Result.SKIPPED, cause)


def unknown(right: str) -> Answer:
    """Answer that a worker's account can't know: it has no right that its work doesn't take."""
    return skipped(f"unknown: it takes the right to {right}, which a worker doesn't need; run this as a user who has it")


async def put(questions: Sequence[Question]) -> list[Check]:
    """Put the questions of one group, one after the other."""
    without: set[str] = set()
    checks: list[Check] = []
    for question in questions:
        missing = next((need for need in question.needs if need in without), "")
        answer = skipped(f"needs {missing}") if missing else await _answer(question)
        if answer.result in (Result.FAILED, Result.SKIPPED):
            without.add(question.id)
        checks.append(_check(question, answer))
    return checks


async def _answer(question: Question) -> Answer:
    try:
        async with asyncio.timeout(SECONDS):
            return await question.ask()
    except TimeoutError:
        return failed(f"No answer within {SECONDS:g} s.", question.fix)
    except MooringError as error:
        return failed(str(error).removesuffix(error.advice).rstrip(), question.fix or error.advice)
    except (NotFound, Gone, Refused) as error:
        return failed(str(error), question.fix)
    except Exception as error:
        return failed(f"{type(error).__name__}: {error}", question.fix)


def _check(question: Question, answer: Answer) -> Check:
    return Check(
        group=question.group,
        id=question.id,
        description=f"{question.what}: {answer.detail}" if answer.detail else question.what,
        result=answer.result,
        cause=answer.cause,
        fix=answer.fix,
        command=answer.command,
        link=f"{HANDBOOK}#{question.id}",
    )

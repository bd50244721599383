"""What goes on is warned of once, and then with how long it has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from mooring.errors import TemporalUnavailable
from mooring.process.repeats import FIRST, LONGEST, RepeatedWarning
from mooring.temporal.namespace import patiently

DAY = 86400


def warned(caplog: pytest.LogCaptureFixture, times: Iterator[float], whys: Iterator[str]) -> list[str]:
    """Return the lines that are logged when each of these is met at its time."""
    clock = iter(times)
    repeated = RepeatedWarning(logging.getLogger("tests.repeats"), lambda: next(clock))
    for why in whys:
        repeated.warn(why)
    return [record.getMessage() for record in caplog.records]


def test_what_is_met_at_every_try_is_one_line_at_first(caplog: pytest.LogCaptureFixture) -> None:
    assert warned(caplog, iter([0, 0, 5, 10, FIRST - 1]), iter(["No server."] * 4)) == ["No server."]


def test_a_minute_later_it_says_for_how_long(caplog: pytest.LogCaptureFixture) -> None:
    said = warned(caplog, iter([0, 0, FIRST + 5, FIRST + 10]), iter(["No server."] * 3))

    assert said == ["No server.", "No server. It has been so for 0:01:05."]


def test_a_day_of_tries_is_few_lines_the_last_of_which_is_not_old(caplog: pytest.LogCaptureFixture) -> None:
    said = warned(caplog, iter(range(DAY)), iter(["No server."] * (DAY - 1)))

    assert len(said) < 2 * DAY / LONGEST
    hours = int(said[-1].rsplit(" for ")[1].split(":")[0])
    assert hours >= 22


def test_another_reason_is_said_at_once_and_only_once(caplog: pytest.LogCaptureFixture) -> None:
    said = warned(caplog, iter(range(10)), iter(["No server.", "No namespace."] * 4))

    assert said == ["No server.", "No namespace."]


async def test_a_namespace_that_stays_missing_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    tries, told = iter(range(2)), list[str]()

    async def ask() -> str:
        for _ in tries:
            raise TemporalUnavailable("There is no namespace here.")
        return "id"

    assert await asyncio.wait_for(patiently(ask, told.append), 30) == "id"
    assert (len(told), len([record for record in caplog.records if "no namespace here" in record.getMessage()])) == (2, 1)

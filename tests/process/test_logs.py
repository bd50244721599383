"""The log of a process: an entry is one line, whatever a name holds."""

from __future__ import annotations

import io
import logging

import pytest

from mooring.process.logs import LINE, OneLine


@pytest.fixture
def written() -> io.StringIO:
    """Text that the logger of the tests has written."""
    return io.StringIO()


@pytest.fixture
def log(written: io.StringIO) -> logging.Logger:
    """A logger of its own, which writes as a worker's does."""
    handler = logging.StreamHandler(written)
    handler.setFormatter(OneLine(LINE))
    log = logging.Logger("mooring.test")
    log.addHandler(handler)
    return log


def test_a_line_break_in_a_name_makes_no_second_entry(log: logging.Logger, written: io.StringIO) -> None:
    log.warning("Volume %s is lost.", "vol\n2026-01-01 00:00:00,000 INFO mooring: all is well")

    assert written.getvalue().count("\n") == 1
    assert r"vol\n2026-01-01" in written.getvalue()


def test_a_traceback_keeps_its_lines(log: logging.Logger, written: io.StringIO) -> None:
    try:
        int("broken")
    except ValueError:
        log.exception("It failed.")

    assert written.getvalue().count("\n") > 2

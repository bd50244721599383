"""The log of a process: an entry is one line, whatever a name holds, and says in fields what it is about."""

from __future__ import annotations

import contextvars
import io
import json
import logging
from typing import Any

import pytest

from mooring.process.logs import BAR, LogFormat, formatter, note_fields

FORGED = "vol\n2026-01-01T00:00:00.000Z INFO mooring: all is well"


class Log:
    """A logger of its own, which writes as a process does, and its text."""

    def __init__(self, form: LogFormat) -> None:
        self._written = io.StringIO()
        handler = logging.StreamHandler(self._written)
        handler.setFormatter(formatter(form, lambda: {"operation": "PublishVolume", "volume": "by the run"}))
        self.logger = logging.Logger("mooring.test")
        self.logger.addHandler(handler)

    @property
    def lines(self) -> list[str]:
        """The lines written."""
        return self._written.getvalue().splitlines()

    @property
    def entry(self) -> dict[str, Any]:
        """The one entry written, which is one line of JSON."""
        [line] = self.lines
        entry: dict[str, Any] = json.loads(line)
        return entry


def broken() -> None:
    raise ValueError(FORGED)


def fail(log: Log) -> None:
    try:
        broken()
    except ValueError:
        log.logger.exception("It failed.")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_break_in_a_name_makes_no_second_entry(form: LogFormat) -> None:
    log = Log(form)

    log.logger.warning("Volume %s is lost.", FORGED)

    assert len(log.lines) == 1
    assert r"vol\n2026-01-01" in log.lines[0]


def test_a_line_break_in_a_field_makes_no_second_entry() -> None:
    log = Log("text")

    contextvars.copy_context().run(_warn_of, log, FORGED)

    assert len(log.lines) == 1
    assert r"vol\n2026-01-01" in log.lines[0]


def test_no_line_of_a_traceback_looks_like_an_entry() -> None:
    log = Log("text")

    fail(log)

    assert len(log.lines) > 3
    assert all(line.startswith(BAR) for line in log.lines[1:])


def test_a_traceback_is_part_of_its_entry_in_json() -> None:
    log = Log("json")

    fail(log)

    assert (log.entry["message"], log.entry["level"]) == ("It failed.", "ERROR")
    assert log.entry["exception"].startswith("Traceback")
    assert log.entry["exception"].endswith(f"ValueError: {FORGED}")


def test_what_a_task_notes_comes_before_what_its_run_is_known_by() -> None:
    log = Log("json")

    contextvars.copy_context().run(_warn_of, log, "vol-1")

    assert (log.entry["volume"], log.entry["operation"], log.entry["logger"]) == ("vol-1", "PublishVolume", "mooring.test")
    assert "node" not in log.entry


def _warn_of(log: Log, volume: str) -> None:
    note_fields(volume=volume, node="")
    log.logger.warning("Something is wrong.")

"""The forms in which results are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mooring.cli.output import Row, age, duration, note, print_table, rfc3339
from mooring.process.plain import plain

NOW = datetime(2026, 1, 31, 4, 0, tzinfo=UTC)
LONG = "pvc-" + "x" * 300


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (119, "119s"),
        (330, "5m30s"),
        (300, "5m"),
        (3600, "60m"),
        (5 * 3600 + 720, "5h12m"),
        (9 * 3600, "9h"),
        (6 * 86400 + 4 * 3600, "6d4h"),
        (400 * 86400, "400d"),
    ],
)
def test_an_age_is_as_short_as_kubectls(seconds: int, shown: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0.0853, "85ms"), (1.23, "1.2s"), (75, "75s"), (90000, "25h")])
def test_a_duration_is_as_exact_as_it_is_short(seconds: float, shown: str) -> None:
    assert duration(timedelta(seconds=seconds)) == shown


def test_a_time_is_shown_in_utc() -> None:
    assert rfc3339(datetime.fromisoformat("2026-01-31T05:00:00.1239+01:00")) == "2026-01-31T04:00:00.123Z"


def test_what_would_control_the_terminal_is_escaped() -> None:
    assert plain("vol\x1b[2J\nünïcode") == "vol\\x1b[2J\\nünïcode"


def test_a_piped_table_is_neither_cut_nor_wrapped_nor_coloured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_table(["VOLUME", "NODE"], [Row(["a", "node-a"]), Row([LONG, "b"], "red")], whole=False)
    assert capsys.readouterr().out.splitlines() == [f"VOLUME{' ' * 300}NODE", f"a{' ' * 305}node-a", f"{LONG}  b"]


def test_wide_characters_keep_their_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["VOLUME", "NODE"], [Row(["日本", "a"])], whole=False)
    assert capsys.readouterr().out.splitlines()[1] == "日本    a"


def test_a_narrow_terminal_loses_columns_and_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "20")
    print_table(["VOLUME", "NODE", "OPERATION"], [Row(["vol-1", "node-a", "x" * 36])], whole=False)
    shown = capsys.readouterr()
    assert "vol-1   node-a" in shown.out
    assert "xx" not in shown.out
    assert "OPERATION; -o wide" in shown.err


def test_a_note_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    note("something")
    assert tuple(capsys.readouterr()) == ("", "something\n")

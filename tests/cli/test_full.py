"""The command whose output can't be written, and the one that fails as if it couldn't."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT

FULL = Path("/dev/full")
SAID = b"Error: The output can't be written: No space left on device.\n"
PROBE = """
import typer
from mooring.cli.main import app, main
from mooring.cli.output import print_lines
from mooring.cli.session import Session

async def work():
    {does}

@app.command()
def probe(context: typer.Context):
    Session.of(context).run(work, "the attempt", streams=True)

main()
"""
"""A command that does this while it works."""
PRINTS = ["-c", PROBE.format(does="print_lines(['a line'])")]
TIMES_OUT = ["-c", PROBE.format(does="raise TimeoutError")]
FULL_ELSEWHERE = ["-c", PROBE.format(does="raise OSError(28, 'No space left on device', '/its/own/file')")]


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run Python with these arguments, and its output onto a full disk."""
    with FULL.open("wb") as full:
        return subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
        )


@pytest.mark.parametrize("arguments", [["-m", "mooring", "--help"], ["-m", "mooring", "--version"], [*PRINTS, "probe"]])
def test_a_full_disk_is_told_in_one_line(arguments: list[str]) -> None:
    ran = run(*arguments)

    assert (ran.returncode, ran.stderr) == (1, SAID)


def test_with_verbose_a_full_disk_has_its_traceback_too() -> None:
    ran = run(*PRINTS, "-v", "probe")

    assert ran.returncode == 1
    assert b"Traceback" in ran.stderr
    assert ran.stderr.endswith(SAID)


@pytest.mark.parametrize(("command", "named"), [(TIMES_OUT, b"TimeoutError"), (FULL_ELSEWHERE, b"/its/own/file")])
def test_another_error_is_not_taken_for_an_output_that_can_not_be_written(command: list[str], named: bytes) -> None:
    ran = run(*command, "probe")

    assert ran.returncode == 1
    assert ran.stderr.startswith(b"Error: the attempt failed because of a bug in Mooring")
    assert named in ran.stderr
    assert ran.stderr.count(b"\n") == 1


@pytest.mark.parametrize("command", [TIMES_OUT, FULL_ELSEWHERE])
def test_with_verbose_another_error_has_its_traceback(command: list[str]) -> None:
    ran = run(*command, "-v", "probe")

    assert ran.returncode == 1
    assert b"Traceback" in ran.stderr
    assert b"The output" not in ran.stderr

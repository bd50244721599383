"""Prose on a terminal, which is narrower than its sentences."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from typing import IO

import pytest

from mooring.cli.output import filled
from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT

COLUMNS = 40
PLAIN = {"TERM": "dumb", "TEMPORAL_ADDRESS": "127.0.0.1:1", "KUBECONFIG": ""}


@pytest.fixture
def terminal() -> Iterator[tuple[int, IO[str]]]:
    """A terminal of 40 columns: its screen's descriptor, and the stream that programs write to."""
    screen, program = pty.openpty()
    termios.tcsetwinsize(program, (24, COLUMNS))
    with os.fdopen(screen, "rb", buffering=0), os.fdopen(program, "w") as stream:
        yield screen, stream


@pytest.fixture
def narrow(terminal: tuple[int, IO[str]]) -> IO[str]:
    """The stream alone."""
    return terminal[1]


def test_a_sentence_is_wrapped_between_words_below_its_beginning(narrow: IO[str]) -> None:
    told = filled("Volume vol-1 is held by node worker-12, which is not ready.", narrow, "1. ", "   ")

    assert told.splitlines() == ["1. Volume vol-1 is held by node", "   worker-12, which is not ready."]


def test_a_command_stays_on_one_line(narrow: IO[str]) -> None:
    command = "`temporal operator namespace create --namespace nowhere`"

    assert command in filled(f"Create it: {command}, or name another one.", narrow).splitlines()[1]


def test_a_word_that_is_longer_than_a_line_is_left_whole(narrow: IO[str]) -> None:
    handle = "vol-" + "x" * COLUMNS

    assert handle in filled(f"There is no volume {handle} here.", narrow).splitlines()


def test_a_pipe_gets_one_line() -> None:
    read, write = os.pipe()
    with os.fdopen(read), os.fdopen(write, "w") as stream:
        assert "\n" not in filled("word " * COLUMNS, stream)


def test_an_error_is_wrapped(terminal: tuple[int, IO[str]]) -> None:
    screen, stream = terminal
    command, environ = [sys.executable, "-m", "mooring", "get", "vol"], {**os.environ, **PLAIN}
    subprocess.run(command, cwd=ROOT, env=environ, stderr=stream, stdout=subprocess.DEVNULL, timeout=PATIENCE, check=False)

    lines = os.read(screen, 1 << 16).decode().splitlines()

    assert max(map(len, lines)) <= COLUMNS
    assert "Error: Temporal at 127.0.0.1:1 can't be reached: connection refused." in " ".join(lines)

"""What a process has cost: its CPU seconds, with those of its children."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.cost import cpu, memory

BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"
WITH_CHILD = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {BUSY!r} + "print('spent', flush=True); input()"], stdin=subprocess.PIPE)
if sys.argv[1] == "ended":
    child.communicate()
print("spent", flush=True)
input()
"""


@contextmanager
def parent(*arguments: str) -> Iterator[int]:
    """Run a process whose child has computed, and give its process id."""
    command = [sys.executable, "-c", WITH_CHILD, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert process.stdout.readline() == b"spent\n"
        yield process.pid
        process.communicate(b"\n")


@pytest.mark.parametrize("child", ["living", "ended"])
def test_a_child_s_seconds_are_counted_while_it_lives_and_when_it_has_ended(child: str) -> None:
    with parent(child) as pid:
        assert cpu(pid) >= 0.29


def test_several_processes_are_added_up() -> None:
    with parent("ended") as one, parent("ended") as other:
        assert cpu(one, other) >= cpu(one) + 0.29


def test_no_process_costs_nothing() -> None:
    assert cpu() == 0


def test_the_most_memory_that_a_process_had_is_no_less_than_what_it_has() -> None:
    now, peak = memory(os.getpid())

    assert 1_000_000 < now <= peak

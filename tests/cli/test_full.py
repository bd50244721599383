"""The command whose output can't be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.harness.repository import ROOT

FULL = Path("/dev/full")


def test_a_full_disk_is_told_in_one_line() -> None:
    with FULL.open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "mooring", "--help"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False
        )

    assert (ran.returncode, ran.stderr) == (1, b"Error: The output can't be written: No space left on device.\n")

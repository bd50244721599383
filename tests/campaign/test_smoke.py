"""A short campaign on all real parts, to its verdict."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.harness.repository import ROOT

SEED = "1"


@pytest.mark.timeout(400)
async def test_a_short_campaign_breaks_no_promise_and_says_so_last(assets: Path) -> None:
    command = (sys.executable, "-m", "tests.campaign", "--minutes", "0.25", "--seed", SEED, "--no-recovery")
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    said = out.decode()
    verdict = re.fullmatch(r"(\d+) operations and (\d+) faults of seed 1: no promise was broken\.", said.splitlines()[-1])

    assert (process.returncode, bool(verdict)) == (0, True), said
    assert verdict is not None
    assert int(verdict[1]) > 0
    assert int(verdict[2]) > 0

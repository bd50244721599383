"""What a campaign of whole workers on simulated servers is worth."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.harness.patience import COMPUTING

pytestmark = pytest.mark.timeout(COMPUTING)
LINES = 300
"""Lines that a trace has at least."""
BOUND = 900
"""Operations within which a planted fault is found."""


async def campaign(*options: str, hash_seed: str = "random") -> tuple[int, str]:
    """Carry out a campaign in a process of its own, and return its exit code and what it printed."""
    return await module("tests.simulation.campaign", *options, hash_seed=hash_seed)


async def module(name: str, *options: str, hash_seed: str = "random") -> tuple[int, str]:
    """Run a module in a process of its own, and return its exit code and what it printed."""
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = (sys.executable, "-W", "ignore", "-m", name, *options)
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_one_seed_gives_one_trace_whatever_the_order_of_sets(tmp_path: Path) -> None:
    traces = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        await campaign("--operations", "60", "--seed", "3", "--trace", str(folder), hash_seed=hash_seed)
        traces.append((folder / "3-0.txt").read_bytes())
    assert len(traces[0].splitlines()) > LINES
    assert traces[0] == traces[1]


async def test_a_planted_fault_is_told_with_its_seed_and_story() -> None:
    code, said = await campaign("--operations", str(BOUND), "--seed", "1", "--bug", "nothing_is_tested", "--shrink", "0")
    *story, verdict = said.splitlines()
    assert code == 1, said
    assert verdict.startswith("BROKEN after ")
    assert "(SEED=1/" in verdict
    assert "The end of the story:" in story


@pytest.mark.parametrize(
    "bug",
    [
        "nobody_is_refused",
        "unpublish_lets_go_before_it_detaches",
        "rollback_leaves_the_backend",
        "nothing_is_burned",
        "hold_of_another_node_is_not_seen",
        "a_node_that_is_not_ready_is_dead",
        "a_task_that_was_given_away_writes",
        "renewal_is_local",
        "errors_tell_the_login",
    ],
)
async def test_a_planted_fault_is_found_in_the_kind_of_world_that_is_made_for_it(bug: str) -> None:
    code, said = await module("tests.simulation.campaign.table", bug)
    assert code == 0, said

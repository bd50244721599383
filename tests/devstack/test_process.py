"""A child process ends with the block that runs it, and with a parent that is killed."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from mooring.devstack.process import running
from tests.harness.patience import PATIENCE

SAY_PID = ["sh", "-c", "echo $$; exec sleep 1000"]
STUBBORN = ["sh", "-c", "trap '' TERM; echo $$; exec sleep 1000"]
PARENT = """
import asyncio, sys
from pathlib import Path
from mooring.devstack.process import running
async def main():
    async with running(sys.argv[2:], Path(sys.argv[1]), Path.cwd(), end_seconds=0.1):
        await asyncio.sleep(1000)
asyncio.run(main())
"""


async def child_of(log: Path) -> int:
    async with asyncio.timeout(PATIENCE):
        while not (text := written(log)).endswith("\n"):
            await asyncio.sleep(0.02)
    return int(text)


def written(log: Path) -> str:
    return log.read_text() if log.exists() else ""


async def gone(pid: int) -> bool:
    async with asyncio.timeout(PATIENCE):
        while is_there(pid):
            await asyncio.sleep(0.02)
    return True


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_child_runs_while_the_block_lasts_and_no_longer(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with running(SAY_PID, log, tmp_path):
        pid = await child_of(log)
        assert is_there(pid)
    assert await gone(pid)


@pytest.mark.parametrize("child", [SAY_PID, STUBBORN], ids=["that ends when told", "that doesn't"])
async def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path, child: list[str]) -> None:
    log = tmp_path / "log"
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, log, *child)
    pid = await child_of(log)
    parent.kill()
    await parent.wait()
    assert await gone(pid)


async def test_a_child_that_does_not_end_when_told_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with running(STUBBORN, log, tmp_path, end_seconds=0.1):
        pid = await child_of(log)
    assert await gone(pid)

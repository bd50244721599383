"""A process that was asked to stop ends, whatever its work is stuck in."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from tests.harness.patience import PATIENCE

PROGRAM = """
import asyncio
from mooring.process.exits import exit_process
from mooring.process.lifetime import until_signalled

async def work(stop):
    print("at work", flush=True)
    {work}

asyncio.run(until_signalled(work, patience={patience}))
exit_process(0)
"""
STUCK = """
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
"""


async def ends_with(work: str, *, patience: float, sent: signal.Signals | None) -> int:
    """Return the exit code of a process that does this work and is sent a signal when it has begun."""
    program = PROGRAM.format(work=work, patience=patience)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    if sent is not None:
        process.send_signal(sent)
    return await asyncio.wait_for(process.wait(), PATIENCE)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_work_that_stops_when_told_ends_well(sent: signal.Signals) -> None:
    assert await ends_with("await stop.wait()", patience=20, sent=sent) == 0


async def test_work_that_ends_by_itself_ends_well() -> None:
    assert await ends_with("return", patience=20, sent=None) == 0


async def test_work_that_is_stuck_is_left_behind() -> None:
    assert await ends_with(STUCK, patience=0.2, sent=signal.SIGTERM) == 1

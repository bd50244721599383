"""Workers that come, go and share the work: `python -m bench.workers [rounds]`, on the servers of stage.py.

It prints how long a worker takes until it is ready, how much a second worker helps in front of a slow backend, and how long a
publish takes whose worker is killed in the midst of the backend's call. The last row is `mooring --help` beside the import of
the two libraries that it needs, in CPU seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Final

from bench.pvs import DRIVER
from bench.slow_backend import AT_ONCE, FACTORY, SECONDS
from bench.stage import Stage, opened_stage
from mooring import names
from mooring.devstack.workers import WorkerProcess
from mooring.models import VolumeRef
from mooring.temporal.runs import describe

ROUNDS: Final = 5
VOLUMES: Final = 700
"""Free volumes; with the attached ones there are 1,000 PVs."""
CALLS: Final = 8 * AT_ONCE
NODE: Final = "node-a"
DEADLINE: Final = 120.0
NEVER: Final = 3600.0


def _slow(stage: Stage, seconds: float) -> AbstractAsyncContextManager[WorkerProcess]:
    return stage.worker(MOORING_BACKEND=FACTORY, MOORING_ACTIVITY_SLOTS=str(AT_ONCE), **{SECONDS: str(seconds)})


async def ready_seconds(stage: Stage) -> float:
    """Return the seconds from the start of a worker until it is ready."""
    start = time.perf_counter()
    async with stage.worker():
        return time.perf_counter() - start


async def storm_seconds(stage: Stage, workers: int) -> float:
    """Return the seconds that so many workers take for publishes whose backend takes a second."""
    async with AsyncExitStack() as stack:
        for _ in range(workers):
            await stack.enter_async_context(_slow(stage, 1.0))
        start = time.perf_counter()
        await asyncio.gather(*(stage.mooring.publish(handle, NODE, deadline=DEADLINE) for handle in stage.take(CALLS)))
        return time.perf_counter() - start


async def killed_seconds(stage: Stage, *, second: bool) -> float:
    """Return the seconds from the kill of a worker in the midst of the backend's call until its publish is done.

    That is done by a `second` worker, or else by one that is started at once.
    """
    handle = next(stage.volumes)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(_slow(stage, NEVER))
        publish = asyncio.create_task(stage.mooring.publish(handle, NODE, deadline=DEADLINE))
        await _asks_the_backend(stage, handle)
        if second:
            await stack.enter_async_context(_slow(stage, 0.0))
        start = time.perf_counter()
        await first.child.kill()
        if not second:
            await stack.enter_async_context(_slow(stage, 0.0))
        await publish
        return time.perf_counter() - start


async def _asks_the_backend(stage: Stage, handle: str) -> None:
    """Wait until the volume's publish is in the midst of the backend's call."""
    volume = names.volume_id(VolumeRef(driver=DRIVER, volume_handle=handle))
    async with asyncio.timeout(DEADLINE):
        while (run := await describe(stage.client, volume)) is None or not run.raw_description.pending_activities:  # noqa: ASYNC110 - none wakes it
            await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)


def cpu_seconds(command: Sequence[str | Path]) -> float:
    """Return the CPU seconds of a command, the median of some runs after a first one."""
    spent: list[float] = []
    for _ in range(2 * ROUNDS + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - ours
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(spent[1:])


def line(what: str, found: float, aim: str = "") -> str:
    """Format a row."""
    return f"{what:66}{found:8.2f}   {aim}"


async def main(rounds: int) -> None:
    """Measure, and print the table."""
    async with opened_stage(VOLUMES) as stage:
        starts = [await ready_seconds(stage) for _ in range(rounds)]
        one = [await storm_seconds(stage, 1) for _ in range(2)]
        two = [await storm_seconds(stage, 2) for _ in range(2)]
        helped = [await killed_seconds(stage, second=True) for _ in range(rounds)]
        alone = [await killed_seconds(stage, second=False) for _ in range(rounds)]
    program = Path(sys.executable).with_name("mooring")
    needed = cpu_seconds([program, "--help"]) / cpu_seconds([sys.executable, "-c", "import typer, rich"])
    print(f"{rounds} rounds; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(line("worker start to ready at 1,000 PVs, seconds, median", median(starts)))
    print(line("2 workers / 1, backend of 1 s, 8 slots in each", median(one) / median(two), ">= 1.8"))
    print(line("kill -9 in a backend's call to publish done, a second worker: worst, s", max(helped), "<= 3"))
    print(line("the same, alone and restarted at once: worst, s", max(alone), "<= 4"))
    print(line("mooring --help / import typer, rich", needed, "<= 1.5"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS)
    asyncio.run(main(parser.parse_args().rounds))

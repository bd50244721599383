"""The costs that grow with the number of volumes, and those that don't: `make bench-size`, `python -m bench.size [volumes]`.

On the servers of stage.py, with a few thousand PVs and then with as many as are asked for, two workers are started and nodes of
500 volumes fail, one after the other. A release looks up one entry of the index, so it should take no longer among many volumes.
Only memory and the start are to grow: a worker reads all PVs before it is ready. A third of them are attached.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

import aiohttp

from bench.cost import cpu, memory
from bench.dead_node import occupied, released_seconds
from bench.pvs import create, session
from bench.stage import Stage, created, opened_stage
from mooring.devstack.workers import WorkerProcess

VOLUMES: Final = 100_000
READY: Final = "a worker's start until it is ready, s"
MEMORY: Final = "its memory after the failures, MB"
RELEASED: Final = "a node failure until its volumes are released, s"
CPU: Final = "CPU of the workers, s"
AIMS: Final = {RELEASED: 1.2, CPU: 1.2}
"""How many times as much it may be among the many volumes."""

Rows = dict[str, float]


@dataclass(frozen=True)
class Load:
    """How many nodes fail at each number of volumes, what each of them loses, and the workers."""

    failures: int = 3
    lost: int = 500
    workers: int = 2


async def measured(stage: Stage, http: aiohttp.ClientSession, label: str, load: Load) -> Rows:
    """Return the figures at the present number of PVs; the label is in the names of the nodes."""
    async with AsyncExitStack() as stack:
        starts, workers = list[float](), list[WorkerProcess]()
        for _ in range(load.workers):
            start = time.perf_counter()
            workers.append(await stack.enter_async_context(stage.worker(MOORING_NODE_CHECK="csinode")))
            starts.append(time.perf_counter() - start)
        pids = [worker.child.pid for worker in workers]
        found = [await _failure(stage, http, f"{label}-{number}", pids, load.lost) for number in range(load.failures)]
        held = [memory(pid) for pid in pids]
    return {
        READY: median(starts),
        MEMORY: max(now for now, _ in held) / 1e6,
        "its peak, MB": max(peak for _, peak in held) / 1e6,
        **{what: median(each[what] for each in found) for what in found[0]},
    }


async def _failure(stage: Stage, http: aiohttp.ClientSession, node: str, workers: Sequence[int], lost: int) -> Rows:
    """Return the seconds of one node's failure, and the CPU seconds that it takes."""
    handles = await occupied(stage, http, node, lost)
    places = {CPU: workers, "CPU of Temporal, s": stage.temporal_processes, "CPU of the API server, s": (stage.api_server(),)}
    before = {what: cpu(*pids) for what, pids in places.items()}
    took = await released_seconds(stage, http, node, handles)
    return {RELEASED: took, **{what: cpu(*pids) - before[what] for what, pids in places.items()}}


def line(what: str, few: float, many: float) -> str:
    """Format a row: the figures, their ratio, and whether it is above its aim."""
    ratio, aim = many / few if few else 0.0, AIMS.get(what)
    judged = f"   <= {aim:g}{'   MISSED' if ratio > aim else ''}" if aim else ""
    return f"{what:50}{few:10.2f}{many:10.2f}{ratio:8.2f}{judged}"


async def main(volumes: int, load: Load) -> None:
    """Measure, and print the table."""
    free = 2 * load.failures * load.lost
    few = created(free)
    if volumes <= few:
        raise ValueError(f"There are {few} PVs in the beginning: name a larger number.")
    async with opened_stage(free) as stage, session(stage.kubernetes.admin) as http:
        before = await measured(stage, http, "few", load)
        await create(stage.kubernetes.admin, range(few, volumes))
        after = await measured(stage, http, "many", load)
    print(f"medians of {load.failures} failures of {load.lost} volumes, {load.workers} workers")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"{'PVs':50}{few:10,}{volumes:10,}   ratio")
    for what in before:
        print(line(what, before[what], after[what]))
    print(f"a PV more in a worker's memory: {1e6 * (after[MEMORY] - before[MEMORY]) / (volumes - few):.0f} bytes")


if __name__ == "__main__":
    if "KUBEBUILDER_ASSETS" not in os.environ:
        sys.exit("Set KUBEBUILDER_ASSETS to the folder that kube/build.sh prints.")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("volumes", type=int, nargs="?", default=VOLUMES)
    parser.add_argument("--failures", type=int, default=Load.failures, help="nodes that fail at each number of volumes")
    asked = parser.parse_args()
    asyncio.run(main(asked.volumes, Load(failures=asked.failures)))

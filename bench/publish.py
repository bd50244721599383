"""The cost of a publish beside a bare workflow that makes the same write: `python -m bench.publish [rounds]`.

Each row is a ratio to a baseline of the same run, the median of the rounds, which take turns: on the servers of stage.py, a
worker without a backend, and a worker of bare workflows (bare.py), each in a process of its own. A publish that a CO asks for
at the endpoint is quicker: it starts eagerly. With `--postgres` Temporal writes to a PostgreSQL server, whose CPU is in the row
of Temporal's. The other rows of docs/performance.md are measured by `bench.endpoint`,
`bench.dead_node`, `bench.workers`, `bench.chain`, `bench.rebuild` and `bench.memory`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from temporalio.client import Client

from bench.bare import QUEUE, opened_store
from bench.bare_workflows import BareWrite, Nothing
from bench.cost import cpu, requests
from bench.pvs import DRIVER, session
from bench.stage import history, opened_stage
from mooring.client import MooringClient
from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.devstack.process import running
from mooring.models import PublishRequest, VolumeRecord, Write
from mooring.process.clock import utc_now
from mooring.records import fence
from tests.harness.kubernetes import Kubernetes

ROUNDS: Final = 5
ONE_AT_A_TIME: Final = 20
AT_ONCE: Final = 32
STORM: Final = 96
EVENTS_SECONDS: Final = 6.0
"""Time after a storm in which its Events are written: their cost is the storm's, too."""
NODE: Final = "node-a"
AIMS: Final = {
    "publish p50 / bare": 0.7,
    "unpublish p50 / bare": 0.7,
    "publish p50 / (no activity + the write)": 1.3,
    "publishes a second, 32 at once / bare": 1.4,
    "CPU of the worker / bare": 1.0,
    "CPU of Temporal / bare": 0.8,
    "CPU of the API server / bare": 1.6,
    "events of a publish": 9,
    "bytes of its history": 3200,
}
AT_LEAST: Final = frozenset({"publishes a second, 32 at once / bare"})


@dataclass(slots=True)
class Round:
    """The seconds of one round: each operation one at a time, and a storm of each; and the CPU seconds of the storms by process."""

    publish: list[float] = field(default_factory=list)
    unpublish: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)
    storm: float = 0.0
    bare_storm: float = 0.0
    cpu: tuple[float, ...] = ()
    bare_cpu: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """The servers, the workers and their processes; `volumes` that nobody has used yet."""

    client: Client
    mooring: MooringClient
    store: PersistentVolumeStore
    worker: int
    bare: int
    temporal: tuple[int, ...]
    api_server: int
    volumes: Iterator[str]

    async def round(self) -> Round:
        """Measure one round; the two sides take turns."""
        found = Round()
        for _ in range(ONE_AT_A_TIME):
            handle = next(self.volumes)
            found.publish.append(await _timed(self.mooring.publish(handle, NODE)))
            found.bare.append(await _timed(self._bare(await self._write())))
            found.unpublish.append(await _timed(self.mooring.unpublish(handle, NODE)))
            found.apart.append(await _timed(self._apart(await self._write())))
        found.storm, found.cpu = await self._storm(self.worker, [self.mooring.publish(h, NODE) for h in self._take(STORM)])
        writes = [await self._write() for _ in range(STORM)]
        found.bare_storm, found.bare_cpu = await self._storm(self.bare, [self._bare(write) for write in writes])
        return found

    def _take(self, count: int) -> list[str]:
        return [next(self.volumes) for _ in range(count)]

    async def _storm(self, worker: int, calls: list[Awaitable[object]]) -> tuple[float, tuple[float, ...]]:
        """Return the seconds that the calls take, `AT_ONCE` at a time, and the CPU seconds of worker, Temporal and API server."""
        places = [(worker,), self.temporal, *([(self.api_server,)] if self.api_server else [])]
        before, left = [cpu(*pids) for pids in places], iter(calls)

        async def carry_out() -> None:
            for call in left:
                await call

        took = await _timed(asyncio.gather(*(carry_out() for _ in range(AT_ONCE))))
        await asyncio.sleep(EVENTS_SECONDS)
        return took, tuple(cpu(*pids) - spent for pids, spent in zip(places, before, strict=True))

    async def _write(self) -> Write:
        """Decide a write as a publish would, on a volume that nobody has used."""
        handle = next(self.volumes)
        seen = await self.store.read(handle, {handle: ""}, (handle,))
        return decided(handle, seen)

    async def _bare(self, write: Write) -> object:
        return await self.client.execute_workflow(BareWrite.run, write, id=str(uuid.uuid4()), task_queue=QUEUE)

    async def _apart(self, write: Write) -> object:
        await self.client.execute_workflow(Nothing.run, id=str(uuid.uuid4()), task_queue=QUEUE)
        return await self.store.compare_and_set(write)

    async def counts(self, kubernetes: Kubernetes) -> dict[str, tuple[int, int]]:
        """Return the API server's writes and reads of PVs for a publish, a repeated one and an unpublish."""
        handle, found = next(self.volumes), {}
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "publish": lambda: self.mooring.publish(handle, NODE),
            "republish": lambda: self.mooring.publish(handle, NODE),
            "unpublish": lambda: self.mooring.unpublish(handle, NODE),
        }
        async with session(kubernetes.admin) as http:
            for what, call in calls.items():
                before = await requests(http)
                await call()
                after = await requests(http)
                found[what] = (after[0] - before[0], after[1] - before[1])
        return found

    async def history(self) -> tuple[int, int]:
        """Return the events and the bytes of a publish's history."""
        handle = next(self.volumes)
        await self.mooring.publish(handle, NODE)
        return await history(self.client, handle)


def decided(handle: str, seen: VolumeRecord | None) -> Write:
    """Return the write of a publish on a volume that is free."""
    asked = PublishRequest(driver=DRIVER, volume_handle=handle, node_id=NODE)
    match fence.acquire(seen, asked, str(uuid.uuid4()), utc_now()) if seen else None:
        case fence.Acquire(write=write):
            return write
        case refused:
            raise RuntimeError(f"{handle} is not free: {refused}")


async def _timed(call: Awaitable[object]) -> float:
    start = time.perf_counter()
    await call
    return time.perf_counter() - start


@asynccontextmanager
async def opened(rounds: int, *, postgres: bool) -> AsyncIterator[tuple[Bench, Kubernetes]]:
    """Run servers, workers and enough volumes while the block lasts."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(opened_stage(2 * (rounds + 1) * (2 * ONE_AT_A_TIME + STORM), postgres=postgres))
        worker = await stack.enter_async_context(stage.worker())
        bare = [sys.executable, "-m", "bench.bare"]
        other = await stack.enter_async_context(running(bare, stage.folder / "bare.log", Path.cwd(), stage.environ))
        store = await stack.enter_async_context(opened_store(stage.environ))
        pids = worker.child.pid, other.pid, stage.temporal_processes, stage.api_server()
        yield Bench(stage.client, stage.mooring, store, *pids, stage.volumes), stage.kubernetes


def rows(rounds: list[Round]) -> dict[str, float]:
    """Return the table's ratios: medians over the rounds."""
    both = {
        "publish p50 / bare": [median(each.publish) / median(each.bare) for each in rounds],
        "unpublish p50 / bare": [median(each.unpublish) / median(each.bare) for each in rounds],
        "publish p50 / (no activity + the write)": [median(each.publish) / median(each.apart) for each in rounds],
        "publishes a second, 32 at once / bare": [each.bare_storm / each.storm for each in rounds],
    }
    for place, who in enumerate(("the worker", "Temporal", "the API server")):
        spent = [each.cpu[place] / each.bare_cpu[place] for each in rounds if len(each.bare_cpu) > place and each.bare_cpu[place]]
        both.update({f"CPU of {who} / bare": spent} if spent else {})
    return {what: median(found) for what, found in both.items()}


def costs(rounds: list[Round]) -> str:
    """Format what a publish of the storms takes of each process's CPU."""
    spent = [1000 * median(column) / STORM for column in zip(*(each.cpu for each in rounds), strict=True)]
    return f"a publish takes {', '.join(f'{each:.1f}' for each in spent)} ms of worker, Temporal, API server"


def line(what: str, found: float) -> str:
    """Format a row: the figure, its aim, and whether it is missed."""
    aim = AIMS[what]
    missed = found < aim if what in AT_LEAST else found > aim
    sign = ">=" if what in AT_LEAST else "<="
    return f"{what:45}{found:9.2f}   {sign} {aim:g}{'   MISSED' if missed else ''}"


async def main(count: int, *, postgres: bool = False) -> None:
    """Measure, and print the table."""
    async with opened(count, postgres=postgres) as (bench, kubernetes):
        await bench.round()  # to warm up
        found = [await bench.round() for _ in range(count)]
        events, size = await bench.history()
        asked = await bench.counts(kubernetes) if bench.api_server else {}
    print(f"Temporal on {'PostgreSQL' if postgres else 'SQLite in memory'}, medians of {count} rounds; {costs(found)}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for what, ratio in {**rows(found), "events of a publish": events, "bytes of its history": size}.items():
        print(line(what, ratio))
    for what, (writes, reads) in asked.items():
        print(f"{what}: {writes} writes and {reads} reads of the API server{'' if (writes, reads) == (1, 0) else '   MISSED'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS)
    parser.add_argument("--postgres", action="store_true", help="Temporal's own server on PostgreSQL, not the development server")
    asked = parser.parse_args()
    asyncio.run(main(asked.rounds, postgres=asked.postgres))

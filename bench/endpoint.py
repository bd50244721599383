"""ControllerPublishVolume at the endpoint: `python -m bench.endpoint [rounds]`, on the servers of stage.py.

The worker serves the endpoint in front of the reference driver of the tests, which answers at once. Beside it, by turns, is the
least that an endpoint with a workflow would do: a call of such a driver, and a bare workflow that makes the same write.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.bare import QUEUE, opened_store
from bench.bare_workflows import BareWrite
from bench.publish import decided
from bench.pvs import DRIVER
from bench.stage import Stage, history, opened_stage
from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.devstack.process import running
from tests.harness.csi_client import CsiClient, csi_client
from tests.harness.driver.handle import ReferenceDriver

ROUNDS: Final = 5
EACH: Final = 20
NODE: Final = "node-a"
AIMS: Final = {
    "publish p50 / (the driver's call + the bare workflow)": None,
    "unpublish p50 / the same": None,
    "events of its history": 16,
    "bytes of its history": 6000,
}


@dataclass(frozen=True, slots=True)
class EndpointBench:
    """The endpoint, a driver alone, and the bare workflow's worker."""

    stage: Stage
    endpoint: CsiClient
    driver: CsiClient
    store: PersistentVolumeStore

    async def round(self) -> tuple[float, float]:
        """Return the ratios of publish and unpublish, by the medians of the calls of one round."""
        publish, unpublish, bare = list[float](), list[float](), list[float]()
        for number, handle in enumerate(self.stage.take(EACH)):
            publish.append(await _timed(self.endpoint.publish(handle, NODE, token=None)))
            bare.append(await self._bare(f"alone-{number}"))
            unpublish.append(await _timed(self.endpoint.unpublish(handle, NODE)))
        return median(publish) / median(bare), median(unpublish) / median(bare)

    async def _bare(self, alone: str) -> float:
        handle = next(self.stage.volumes)
        write = decided(handle, await self.store.read(handle, {handle: ""}, (handle,)))
        start = time.perf_counter()
        await self.driver.publish(alone, NODE)
        await self.stage.client.execute_workflow(BareWrite.run, write, id=str(uuid.uuid4()), task_queue=QUEUE)
        return time.perf_counter() - start

    async def history(self) -> tuple[int, int]:
        """Return the events and the bytes of a publish's history."""
        handle = next(self.stage.volumes)
        await self.endpoint.publish(handle, NODE)
        return await history(self.stage.client, handle)


async def _timed(call: Awaitable[object]) -> float:
    start = time.perf_counter()
    await call
    return time.perf_counter() - start


@asynccontextmanager
async def opened(rounds: int) -> AsyncIterator[EndpointBench]:
    """Run servers, drivers, workers and enough volumes while the block lasts."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(opened_stage(2 * (rounds + 1) * EACH + 2))
        folders = [_made(stage.folder / name) for name in ("behind", "alone")]
        drivers = [await stack.enter_async_context(ReferenceDriver.start(each, "--name", DRIVER)) for each in folders]
        endpoint = f"unix://{stage.folder / 'csi.sock'}"
        await stack.enter_async_context(stage.worker(MOORING_CSI_ENDPOINT=endpoint, MOORING_DRIVER_ENDPOINT=drivers[0].endpoint))
        bare = [sys.executable, "-m", "bench.bare"]
        await stack.enter_async_context(running(bare, stage.folder / "bare.log", Path.cwd(), stage.environ))
        store = await stack.enter_async_context(opened_store(stage.environ))
        front, alone = [await stack.enter_async_context(csi_client(each)) for each in (endpoint, drivers[1].endpoint)]
        yield EndpointBench(stage, front, alone, store)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def main(rounds: int) -> None:
    """Measure, and print the rows."""
    async with opened(rounds) as bench:
        await bench.round()  # to warm up
        found = [await bench.round() for _ in range(rounds)]
        events, size = await bench.history()
    print(f"medians of {rounds} rounds; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    figures = (median(each for each, _ in found), median(each for _, each in found), events, size)
    for (what, aim), figure in zip(AIMS.items(), figures, strict=True):
        judged = "" if aim is None else f"   <= {aim:g}{'   MISSED' if figure > aim else ''}"
        print(f"{what:60}{figure:9.2f}{judged}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS)
    asyncio.run(main(parser.parse_args().rounds))

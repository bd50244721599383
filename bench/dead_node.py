"""A dead node's release beside as many unpublishes: `python -m bench.dead_node [rounds]`, on the servers of stage.py.

A round takes the time from the node's taint until its evacuation has released all of its volumes, and the time that a client takes
to unpublish as many from a node that lives, 32 at once. The worker has no backend.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from statistics import median
from typing import Any, Final

import aiohttp
import msgspec
from temporalio.service import RPCError, RPCStatusCode

from bench.pvs import DRIVER, session
from bench.stage import Stage, opened_stage
from mooring.evacuation.client import evacuation_of
from mooring.models.evacuation import EvacuationResult

ROUNDS: Final = 5
VOLUMES: Final = 100
AT_ONCE: Final = 32
AIM: Final = 1.5
BOUND: Final = 600.0
NODES: Final = "/api/v1/nodes"
CSI_NODES: Final = "/apis/storage.k8s.io/v1/csinodes"
TAINT: Final = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}


async def evacuated_seconds(stage: Stage, http: aiohttp.ClientSession, node: str) -> float:
    """Return the seconds from the taint of this new node until it holds none of its volumes."""
    handles = await occupied(stage, http, node, VOLUMES)
    return await released_seconds(stage, http, node, handles)


async def released_seconds(stage: Stage, http: aiohttp.ClientSession, node: str, handles: Sequence[str]) -> float:
    """Return the seconds from the taint of the node that holds these volumes until it holds none."""
    start = time.perf_counter()
    await _send(http.patch(f"{NODES}/{node}", data=_json({"spec": {"taints": [TAINT]}}), headers=_MERGE))
    result = await asyncio.wait_for(_evacuated(stage, node), BOUND)
    took = time.perf_counter() - start
    if result.released != len(handles):
        raise RuntimeError(f"{result.released} of {len(handles)} volumes are released: {result}")
    return took


async def unpublished_seconds(stage: Stage, http: aiohttp.ClientSession, node: str) -> float:
    """Return the seconds of the same releases by a client."""
    handles = await occupied(stage, http, node, VOLUMES)
    start = time.perf_counter()
    await _each(lambda handle: stage.mooring.unpublish(handle, node, deadline=BOUND), handles)
    return time.perf_counter() - start


async def _evacuated(stage: Stage, node: str) -> EvacuationResult:
    """Return the result of the evacuation that a worker begins."""
    while True:
        try:
            return await evacuation_of(stage.client, DRIVER, node).result()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        await asyncio.sleep(0.01)


async def occupied(stage: Stage, http: aiohttp.ClientSession, node: str, volumes: int) -> list[str]:
    """Create a node, publish so many volumes there, and return them."""
    await _register(http, node)
    handles = stage.take(volumes)
    await _each(lambda handle: stage.mooring.publish(handle, node, deadline=BOUND), handles)
    return handles


async def _each(call: Callable[[str], Awaitable[object]], handles: Iterable[str]) -> None:
    left = iter(handles)

    async def carry_out() -> None:
        for handle in left:
            await call(handle)

    await asyncio.gather(*(carry_out() for _ in range(AT_ONCE)))


_MERGE: Final = {"Content-Type": "application/merge-patch+json"}


async def _register(http: aiohttp.ClientSession, node: str) -> None:
    """Create the node, which the driver has registered."""
    driver = {"name": DRIVER, "nodeID": node, "topologyKeys": None}
    for path, version, kind, spec in (
        (CSI_NODES, "storage.k8s.io/v1", "CSINode", {"drivers": [driver]}),
        (NODES, "v1", "Node", {}),
    ):
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": node}, "spec": spec}
        await _send(http.post(path, data=_json(body)))


async def _send(request: Any) -> None:
    async with request as answer:
        if answer.status >= 300:
            raise RuntimeError(f"{answer.url}: {answer.status} {await answer.text()}")


def _json(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode(body)


async def main(rounds: int) -> None:
    """Measure, and print the row."""
    async with (
        opened_stage(2 * (rounds + 1) * VOLUMES) as stage,
        session(stage.kubernetes.admin) as http,
        stage.worker(MOORING_NODE_CHECK="csinode"),
    ):
        turns = [
            (await evacuated_seconds(stage, http, f"dead-{turn}"), await unpublished_seconds(stage, http, f"sound-{turn}"))
            for turn in range(rounds + 1)
        ]
    found = turns[1:]  # the first is to warm up
    evacuated, unpublished = median(each for each, _ in found), median(each for _, each in found)
    ratio = median(one / other for one, other in found)
    print(f"medians of {rounds} rounds; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"a dead node's {VOLUMES} volumes {evacuated:.2f} s, as many unpublishes, {AT_ONCE} at once {unpublished:.2f} s")
    print(f"ratio {ratio:.2f}   <= {AIM:g}{'   MISSED' if ratio > AIM else ''}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS)
    asyncio.run(main(parser.parse_args().rounds))

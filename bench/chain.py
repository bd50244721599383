"""The time that Mooring adds to an attachment in a cluster: `python -m bench.chain [pods]`, with KUBEBUILDER_ASSETS set.

Pods are created at once, on a few nodes, and the time is taken until all of their VolumeAttachments say `attached`; then they are
deleted, until no VolumeAttachment is left. On a real API server with the real attach/detach controller and csi-attacher, by
turns: the attacher in front of the driver, and the attacher in front of Mooring in front of another driver like it. The
driver is the reference driver of the tests, which attaches at once; a real one takes seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from mooring.devstack.folders import own_folder
from mooring.devstack.temporal import DevTemporal
from tests.harness.chain.cluster import ChainCluster, chain_cluster
from tests.harness.chain.peers import controller_manager, csi_attacher, link
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.kubernetes import Kubernetes, open_kubernetes

PODS: Final = 50
NODES: Final = 10
ROUNDS: Final = 5
ALONE: Final = "alone.csi.example"
FRONTED: Final = "fronted.csi.example"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds until all pods had their volumes, and until all were detached."""

    attach: float
    detach: float


async def rush(cluster: ChainCluster, turn: int, pods: int) -> Times:
    """Time so many pods at once, each with a volume of its own, and their deletion at once; the turn is in the names."""
    nodes = [await cluster.node(f"{turn}-{number}") for number in range(NODES)]
    volumes = await asyncio.gather(*(cluster.volume(f"{turn}-{number}") for number in range(pods)))
    places = {volume: nodes[number % NODES] for number, volume in enumerate(volumes)}
    start = time.monotonic()
    names = await asyncio.gather(*(cluster.pod(node, volume) for volume, node in places.items()))
    await cluster.all_attached(places)
    attached = time.monotonic()
    await asyncio.gather(*map(cluster.delete_pod, names))
    await cluster.all_detached(places)
    return Times(attached - start, time.monotonic() - attached)


@asynccontextmanager
async def chains(assets: Path, folder: Path) -> AsyncIterator[tuple[ChainCluster, ChainCluster]]:
    """Run the cluster with the driver alone, and with Mooring in front of it, while the block lasts."""
    async with AsyncExitStack() as stack:
        temporal = await stack.enter_async_context(DevTemporal.start())
        kubernetes = await stack.enter_async_context(open_kubernetes(assets, _made(folder / "kubernetes")))
        await stack.enter_async_context(controller_manager(kubernetes, assets, folder))
        alone, fronted = [await _installed(stack, kubernetes, name, _made(folder / name)) for name in (ALONE, FRONTED)]
        await stack.enter_async_context(csi_attacher(kubernetes, assets, folder / ALONE / "csi.sock", folder / ALONE))
        driver = f"unix://{folder}/{FRONTED}/csi.sock"
        await stack.enter_async_context(link(kubernetes, assets, temporal.address, driver, folder / FRONTED))
        yield alone, fronted


async def _installed(stack: AsyncExitStack, kubernetes: Kubernetes, name: str, folder: Path) -> ChainCluster:
    await stack.enter_async_context(ReferenceDriver.start(folder, "--name", name))
    cluster = await stack.enter_async_context(chain_cluster(kubernetes, name))
    await cluster.install()
    return cluster


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def report(what: str, alone: Sequence[float], fronted: Sequence[float]) -> str:
    """Format a line of the table: medians, and how many times as long it takes with Mooring."""
    return f"{what:8}{median(alone):8.2f} s{median(fronted):8.2f} s{median(fronted) / median(alone):8.1f} x"


async def main(pods: int) -> None:
    """Measure, and print the table."""
    with own_folder("mooring-bench") as folder:
        async with chains(Path(os.environ["KUBEBUILDER_ASSETS"]), folder) as (alone, fronted):
            for cluster in (alone, fronted):
                await rush(cluster, turn=0, pods=1)
            rounds = [(await rush(alone, turn, pods), await rush(fronted, turn, pods)) for turn in range(1, ROUNDS + 1)]
    print(f"{pods} pods at once, medians of {ROUNDS} rounds; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"{'':8}{'driver':>10}{'Mooring':>10}")
    print(report("attach", [a.attach for a, _ in rounds], [f.attach for _, f in rounds]))
    print(report("detach", [a.detach for a, _ in rounds], [f.detach for _, f in rounds]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pods", type=int, nargs="?", default=PODS)
    asyncio.run(main(parser.parse_args().pods))

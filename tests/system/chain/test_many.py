"""Many pods at once. The time they take is printed, not asserted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.harness.chain.cluster import ChainCluster, node_id_of
from tests.harness.driver.handle import ReferenceDriver

PODS: Final = 200
NODES: Final = 20
LONG: Final = 240
"""Seconds, for machines that are busy with other things: it is all work for the processors, and no waiting."""


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the block takes."""
    start = time.monotonic()
    yield
    print(f"\n{what}: {time.monotonic() - start:.1f} s")  # noqa: T201


@pytest.mark.timeout(600)
async def test_two_hundred_pods_on_twenty_nodes_get_their_volumes_and_give_them_back(
    chain: ChainCluster, storage: ReferenceDriver
) -> None:
    nodes = await asyncio.gather(*(chain.node(f"node-{number}") for number in range(NODES)))
    volumes = await asyncio.gather(*(chain.volume(f"data-{number}") for number in range(PODS)))
    places = {volume: nodes[number % NODES] for number, volume in enumerate(volumes)}

    with timed(f"{PODS} volumes attached"):
        pods = await asyncio.gather(*(chain.pod(node, volume) for volume, node in places.items()))
        await chain.all_attached(places, LONG)
    attached = storage.attached()
    assert {volume.handle: attached.get(volume.handle) for volume in volumes} == {
        volume.handle: {node_id_of(node)} for volume, node in places.items()
    }

    with timed(f"{PODS} volumes detached"):
        await asyncio.gather(*(chain.delete_pod(pod) for pod in pods))
        await chain.all_detached(places, LONG)
    assert not storage.attached().keys() & {volume.handle for volume in volumes}

"""A node that any of several PVs named remains a holder when all of them go."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from mooring.errors import Disputed, DuplicateVolume
from tests.harness.cluster import PVS
from tests.harness.workers import until

if TYPE_CHECKING:
    from mooring.client import MooringClient
    from tests.evidence.conftest import Serving
    from tests.harness.cluster import Cluster


@pytest.mark.parametrize("saw", [True, False], ids=["a worker that saw it", "a worker of later"])
async def test_a_node_that_only_one_pv_named_stays_a_holder(
    serving: Serving, cluster: Cluster, mooring: MooringClient, saw: bool
) -> None:
    names = [f"{number}-{cluster.pv('vol')}" for number in (1, 2)]
    async with AsyncExitStack() as stack:
        for name, node in zip(names, ("node-a", "node-b"), strict=True):
            await cluster.create("vol", {cluster.keys.node: node}, name=name)
        worker = await stack.enter_async_context(serving())
        await until(lambda: len(worker.manager.pvs("vol")) == len(names))
        with pytest.raises(DuplicateVolume):
            await mooring.publish("vol", "node-c")
        if not saw:
            await stack.aclose()
        for name in names:
            await cluster.ask("DELETE", f"{PVS}/{name}")
        if saw:
            await until(lambda: not worker.manager.pvs("vol"))
        else:
            await stack.enter_async_context(serving())

        for node, other in (("node-a", "node-b"), ("node-b", "node-a")):
            with pytest.raises(Disputed, match=rf"mooring unpublish vol {other}"):
                await mooring.publish("vol", node)

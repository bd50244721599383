"""A node that is gone for good, at a backend that knows nothing of it any longer."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.errors import BackendNotFound
from tests.cluster.nodes.conftest import NodeObjects
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker


async def _until_detached(mooring: MooringClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await mooring.unpublish("vol", "node-a")
            except BackendNotFound:  # memory hasn't heard yet that the node is gone
                await asyncio.sleep(0.1)
            else:
                return


async def test_its_volume_is_detached_once_it_is_gone_and_not_before(
    temporal_client: Client,
    cluster: Cluster,
    driver: str,
    node_objects: NodeObjects,
    mooring: MooringClient,
    backend: JournalBackend,
) -> None:
    await node_objects.register("node-a")
    await cluster.create("vol")
    backend.unpublish_errors = [BackendNotFound("no such node") for _ in range(500)]
    async with running_worker(temporal_client, quick(driver, node_check="csinode"), cluster.proxy.kubeconfig(), backend):
        await mooring.publish("vol", "node-a")
        with pytest.raises(BackendNotFound, match="no such node"):
            await mooring.unpublish("vol", "node-a")
        assert await cluster.holder("vol") == "node-a"
        await node_objects.unregister("node-a")
        await _until_detached(mooring)

    assert await cluster.holder("vol") is None

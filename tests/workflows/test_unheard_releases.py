"""A release that landed although its step has failed: the unpublish finds it on the PV."""

from __future__ import annotations

import asyncio

from temporalio.client import Client

from mooring.client import MooringClient
from mooring.models import UnpublishResult
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.unheard import end_release, unheard
from worker import MooringWorker


async def released_unheard(client: Client, cluster: Cluster, mooring: MooringClient) -> UnpublishResult:
    """Unpublish a volume whose release lands at epoch 2, and is not heard of."""
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    with unheard(cluster):
        unpublish = asyncio.create_task(mooring.unpublish("vol", "node-a"))
        await end_release(client, cluster, "vol")
    return await asyncio.wait_for(unpublish, PATIENCE)


async def test_an_unpublish_whose_write_landed_unheard_is_done(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    result = await released_unheard(temporal_client, cluster, mooring)

    assert (result.released, result.epoch, result.annotation_cleared) == (("node-a",), 2, True)


async def test_an_unpublish_behind_a_backend_whose_write_landed_unheard_is_done(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    result = await released_unheard(temporal_client, cluster, mooring)

    assert (result.released, result.annotation_cleared, backend.attached["vol"]) == (("node-a",), True, set())

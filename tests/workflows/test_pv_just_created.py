"""The moment between a PV's creation and the writing of the attachment that waited for it: the volume is held all the while."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import HeldElsewhere
from mooring.models import PublishRequest
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import indexed
from worker import MooringWorker


@pytest.fixture
async def waiting(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> MooringWorker:
    """A worker where node-a holds the volume, whose PV is there and empty yet, because node-a's record hangs at the API server."""
    held = cluster.proxy.hold("PATCH", when=lambda request: b"node-a" in request.body)
    await mooring.publish("vol", "node-a")
    await cluster.create("vol")
    await indexed(worker, "vol")
    await held.reached()
    return worker


async def test_an_unpublish_of_another_node_lets_nobody_in(
    waiting: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    result = await mooring.unpublish("vol", "node-b")

    assert result.released == ()
    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")


async def test_a_cancelled_publish_of_another_node_lets_nobody_in(
    waiting: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    asked = PublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-b")
    run = await temporal_client.start_workflow(
        names.PUBLISH, asked, id=names.volume_id(asked), task_queue=f"mooring-{cluster.driver}"
    )
    await run.cancel()
    await asyncio.wait([asyncio.create_task(run.result())], timeout=PATIENCE)

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")

"""What an undisturbed operation asks Temporal beside the workflow task that it is made of: each question is asked once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.models import VolumeRef
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.refusing_temporal import RefusingTemporal
from tests.harness.workers import indexed, quick, running_worker


@asynccontextmanager
async def opened(client: Client, cluster: Cluster, backend: JournalBackend | None = None) -> AsyncIterator[RefusingTemporal]:
    """Open the way of a worker to Temporal, which has the volume in its index, while the block lasts."""
    settings = quick(cluster.driver, backend="in:tests" if backend else "")
    await cluster.create("vol")
    async with RefusingTemporal.start(client.service_client.config.target_host) as proxy:
        own = await Client.connect(proxy.address, data_converter=client.data_converter)
        async with running_worker(own, settings, cluster.proxy.kubeconfig(), backend) as worker:
            await indexed(worker, "vol")
            yield proxy


@pytest.fixture
async def between(temporal_client: Client, cluster: Cluster) -> AsyncIterator[RefusingTemporal]:
    """The way to Temporal of a worker without a backend."""
    async with opened(temporal_client, cluster) as proxy:
        yield proxy


def questions(between: RefusingTemporal, volume: VolumeRef) -> Counter[str]:
    """Return how often the worker asked about each workflow id of the volume, and for the list of its operations."""
    operations, asked = names.volume_id(volume), Counter[str]()
    for method, request in between.asked:
        if method == "DescribeWorkflowExecution":
            asked[DescribeWorkflowExecutionRequest.FromString(request).execution.workflow_id] += 1
        elif method == "ListWorkflowExecutions" and operations in ListWorkflowExecutionsRequest.FromString(request).query:
            asked["list"] += 1
    return Counter({what: count for what, count in asked.items() if what in ("list", operations, names.unpersisted_id(volume))})


async def test_a_first_publish_asks_for_its_run_for_the_hold_and_for_the_operations_before(
    between: RefusingTemporal, cluster: Cluster, mooring: MooringClient
) -> None:
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    between.asked.clear()

    await mooring.publish("vol", "node-a")

    assert questions(between, volume) == {names.volume_id(volume): 1, names.unpersisted_id(volume): 1, "list": 1}


async def test_an_operation_on_a_record_with_an_epoch_asks_for_its_run_and_for_the_hold(
    between: RefusingTemporal, cluster: Cluster, mooring: MooringClient
) -> None:
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    await mooring.publish("vol", "node-a")
    between.asked.clear()

    await mooring.unpublish("vol", "node-a")

    assert questions(between, volume) == {names.volume_id(volume): 1, names.unpersisted_id(volume): 1}


async def test_a_renewal_asks_for_the_hold_alone(between: RefusingTemporal, cluster: Cluster, mooring: MooringClient) -> None:
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    await mooring.publish("vol", "node-a")
    between.asked.clear()

    assert (await mooring.publish("vol", "node-a")).reclaimed

    assert questions(between, volume) == {names.unpersisted_id(volume): 1}


async def test_an_unpublish_with_a_backend_asks_for_the_hold_alone(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    volume = VolumeRef(driver=cluster.driver, volume_handle="vol")
    async with opened(temporal_client, cluster, backend) as between:
        await mooring.publish("vol", "node-a")
        between.asked.clear()
        assert (await mooring.unpublish("vol", "node-a")).released == ("node-a",)

    assert questions(between, volume) == {names.unpersisted_id(volume): 1}

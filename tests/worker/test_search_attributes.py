"""An operator's search in Temporal: runs by volume, node and state; and operations all the same where it isn't possible."""

from __future__ import annotations

import asyncio
import logging
import uuid
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from mooring import names
from mooring.client import MooringClient
from mooring.errors import HeldElsewhere
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker
from worker import MooringWorker


async def listed(client: Client, query: str) -> list[str]:
    """Return the workflow types of the runs that a query finds, once it finds any."""
    async with asyncio.timeout(PATIENCE):
        while not (found := [run.workflow_type async for run in client.list_workflows(query)]):
            await asyncio.sleep(0.1)
    return found


async def test_runs_are_found_by_volume_node_and_state(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    with pytest.raises(HeldElsewhere):
        await mooring.publish("vol", "node-b")
    await mooring.unpublish("vol", "node-a")
    of_volume = f'CsiDriver="{cluster.driver}" AND VolumeId="vol"'

    assert await listed(temporal_client, f'{of_volume} AND AttachmentState="Attached" AND NodeId="node-a"') == [names.PUBLISH]
    assert await listed(temporal_client, f'{of_volume} AND AttachmentState="Refused" AND NodeId="node-b"') == [names.PUBLISH]
    assert await listed(temporal_client, f'{of_volume} AND AttachmentState="Detached"') == [names.UNPUBLISH]


async def test_a_volume_that_waits_for_its_pv_is_found_by_that_state(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")

    assert await listed(temporal_client, f'CsiDriver="{cluster.driver}" AND AttachmentState="WaitingForPV"') == [names.PERSIST]


@pytest.fixture
async def contrary(temporal_client: Client) -> Client:
    """A namespace in which the name of one of Mooring's search attributes is taken, for something else."""
    namespace = f"contrary-{uuid.uuid4().hex[:8]}"
    retention = Duration(seconds=86400)
    await temporal_client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
    )
    taken = {names.VOLUME_ID: IndexedValueType.INDEXED_VALUE_TYPE_INT}
    async with asyncio.timeout(PATIENCE):
        while not await _added(temporal_client, namespace, taken):
            await asyncio.sleep(0.2)
    address = temporal_client.service_client.config.target_host
    return await Client.connect(address, namespace=namespace, data_converter=temporal_client.data_converter)


async def _added(client: Client, namespace: str, attributes: dict[str, IndexedValueType.ValueType]) -> bool:
    request = AddSearchAttributesRequest(namespace=namespace, search_attributes=attributes)
    try:
        await client.operator_service.add_search_attributes(request, timeout=timedelta(seconds=2))
    except RPCError:
        return False  # a new namespace takes a moment to be known
    return True


async def test_a_namespace_that_takes_no_search_attributes_is_told_of_once_and_operations_go_on(
    contrary: Client, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    await cluster.create("vol")
    mooring = MooringClient(contrary, driver=cluster.driver)

    with caplog.at_level(logging.WARNING, "mooring.worker"):
        async with running_worker(contrary, quick(cluster.driver), cluster.proxy.kubeconfig()):
            published = await mooring.publish("vol", "node-a", deadline=30)
            unpublished = await mooring.unpublish("vol", "node-a", deadline=30)

    assert (published.persisted, unpublished.released) == (True, ("node-a",))
    assert [record.message.split(":")[0] for record in caplog.records if record.name == "mooring.worker"] == [
        "The search attributes can't be registered, so operations run without them"
    ]

"""A Temporal namespace that goes while a worker serves: the worker waits for it as it would have at its start, and serves again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import MooringError
from mooring.temporal.pollers import Polls
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.patient import PatientClient
from tests.harness.processes import Fleet
from tests.harness.workers import until
from workflows.registry import WORKFLOWS

HOUR = Duration(seconds=3600)


@pytest.fixture
async def namespace(temporal_client: Client, driver: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A namespace of the test's own, which the workers of its fleet use."""
    name = f"own-{driver.split('.')[0]}"
    monkeypatch.setenv("TEMPORAL_NAMESPACE", name)
    await create(temporal_client, name)
    address = temporal_client.service_client.config.target_host
    return await Client.connect(address, namespace=name, data_converter=temporal_client.data_converter)


async def create(client: Client, name: str) -> None:
    """Create a namespace."""
    asked = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=HOUR)
    await client.workflow_service.register_namespace(asked)


async def delete(client: Client) -> None:
    """Delete the client's namespace."""
    await client.operator_service.delete_namespace(DeleteNamespaceRequest(namespace=client.namespace))


async def publishes(mooring: MooringClient, handle: str, node_id: str) -> bool:
    """Publish, as soon as Temporal has the new namespace for its name: it may have the one that went for some seconds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return (await mooring.publish(handle, node_id)).persisted
            except MooringError:
                await asyncio.sleep(0.2)


async def test_a_worker_whose_namespace_goes_says_how_to_create_it_and_serves_again_when_it_is_back(
    fleet: Fleet, cluster: Cluster, namespace: Client
) -> None:
    await cluster.create("vol")
    async with fleet.own() as worker:
        await worker.ready()
        await delete(namespace)
        said = await worker.answers(503, "no namespace")
        await worker.child.says("begins again once this is corrected")

        await create(namespace, namespace.namespace)
        await worker.ready()
        assert await publishes(PatientClient(namespace, driver=cluster.driver), "vol", "node-a")

    assert f"There is no namespace {namespace.namespace}." in said
    assert f"`temporal operator namespace create --namespace {namespace.namespace} --retention 168h`" in said


async def test_an_endpoint_without_a_worker_says_so_too(fleet: Fleet, namespace: Client, tmp_path: Path) -> None:
    endpoint = await fleet.start(csi_endpoint=f"unix://{tmp_path}/csi.sock", csi_only=True)
    await endpoint.ready()
    await delete(namespace)

    await endpoint.answers(503, "no namespace")


async def test_polls_that_are_refused_for_good_are_told_and_end_in_order(temporal_client: Client, driver: str) -> None:
    address = temporal_client.service_client.config.target_host
    stranger = await Client.connect(address, namespace=f"no-{driver}", data_converter=temporal_client.data_converter)
    told: list[str] = []
    polls = Polls(stranger, "worker-x", 1, [], told.append)

    async with polls.polling(driver, WORKFLOWS, [], 1), polls.polling(names.waiting_queue(driver), WORKFLOWS, [], 1):
        await until(lambda: len(told) == 2)

    assert all(f"no-{driver}" in why for why in told)

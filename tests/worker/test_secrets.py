"""Secrets never in a history, nor in an annotation, an Event, a log or a metric: not even those that a server sends back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.ports import HOST
from mooring.devstack.process import Child
from mooring.errors import KubernetesForbidden
from tests.harness.cluster import PVS, Cluster
from tests.harness.leaky_proxy import LeakyProxy
from tests.harness.patience import PATIENCE
from tests.harness.processes import Fleet, WorkerProcess
from tests.kubernetes.credentials.api import context
from tests.kubernetes.credentials.authority import Authority

CANARY: Final = "canary-5b1c9e77d0"
HIDDEN: Final = b"[hidden]"
EVENTS: Final = "/apis/events.k8s.io/v1/namespaces/default/events"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority")


@pytest.fixture
async def echo(cluster: Cluster, authority: Authority) -> AsyncIterator[LeakyProxy]:
    served = context(authority.issue("server", alternatives=f"IP:{HOST}"), None)
    async with LeakyProxy.start(cluster.proxy, served) as running:
        yield running


@pytest.fixture
async def worker(fleet: Fleet, echo: LeakyProxy, authority: Authority, tmp_path: Path) -> WorkerProcess[Child]:
    """A worker whose token is the canary, and whose first look at the cluster was answered with it."""
    ApiServer(echo.url, authority.certificate.read_text(), CANARY).write_kubeconfig(tmp_path / "kubeconfig")
    echo.leaks = {"GET": 500}
    started = await fleet.start(log_level="DEBUG")
    await leaked(echo, 2)
    echo.leaks = {}
    return await started.ready()


async def leaked(echo: LeakyProxy, times: int) -> None:
    """Wait until so many more requests were answered with their credentials."""
    wanted = echo.leaked + times
    async with asyncio.timeout(PATIENCE):
        while echo.leaked < wanted:
            await asyncio.sleep(0.02)


async def histories(client: Client, driver: str, operations: int) -> bytes:
    """Return every event of every run of the driver, and every description, once as many operations are listed."""
    query = f'WorkflowId STARTS_WITH "volume/{driver}/" OR WorkflowId STARTS_WITH "rebuild/{driver}/"'
    async with asyncio.timeout(PATIENCE):
        while len(runs := [run async for run in client.list_workflows(query)]) < operations:
            await asyncio.sleep(0.1)
    found = b""
    for run in runs:
        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
        found += (await handle.describe()).raw_description.SerializeToString()
        found += b"".join([event.SerializeToString() async for event in handle.fetch_history_events()])
    return found


async def histories_that_hide(client: Client, driver: str) -> bytes:
    """Wait until a failure that hides something is in a history; return every event and description then."""
    async with asyncio.timeout(PATIENCE):
        while HIDDEN not in (found := await histories(client, driver, 2)):
            await asyncio.sleep(0.1)
    return found


async def test_secrets_never_in_a_history_an_annotation_an_event_a_log_or_a_metric(
    worker: WorkerProcess[Child], echo: LeakyProxy, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    echo.leaks = {"PATCH": 503, "WATCH": 500}
    cluster.proxy.cut_watches()
    publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=30))
    await leaked(echo, 3)
    pending = await histories_that_hide(temporal_client, cluster.driver)
    echo.leaks = {}
    await publish
    echo.leaks = {"PATCH": 403}
    with pytest.raises(KubernetesForbidden) as refused:
        await mooring.publish("vol", "node-a", deadline=30)
    echo.leaks = {"PATCH": 400}
    unpublished = await mooring.unpublish("vol", "node-a", deadline=30)

    told = await histories(temporal_client, cluster.driver, 4)
    shown = [await cluster.ask("GET", path) for path in (PVS, EVENTS)]
    log, (status, metrics) = worker.child.log.read_text(), await worker.ask("/metrics")

    assert HIDDEN in told
    assert (status, unpublished.annotation_cleared) == (200, False)
    assert CANARY.encode() not in pending + told
    assert [CANARY in text for text in (str(refused.value), unpublished.message, str(shown), log, metrics)] == [False] * 5

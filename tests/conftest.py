"""Shared by all tests: one real Temporal server and one Kubernetes API a session; a driver name, and so a world, a test."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.kubernetes.embedded import EmbeddedKubernetes
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.kubernetes.real import RealKubernetes
from mooring.devstack.proxy import FaultProxy
from mooring.devstack.temporal import DevTemporal
from mooring.metrics import Metrics
from mooring.temporal import register_search_attributes
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.workers import quick, running_worker
from worker import MooringWorker


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[DevTemporal]:
    """A Temporal server."""
    async with DevTemporal.start() as server:
        yield server


@pytest.fixture(scope="session")
async def temporal_client(temporal: DevTemporal) -> Client:
    """A client of the Temporal server."""
    client = await temporal.connect()
    await register_search_attributes(client)
    return client


@pytest.fixture(scope="session")
async def api_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiServer]:
    """An API server, with all rights on it: the real one where KUBEBUILDER_ASSETS says where its binaries are."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        async with EmbeddedKubernetes.start() as embedded:
            yield ApiServer(embedded.url)
        return
    async with RealKubernetes.start(Path(assets), tmp_path_factory.mktemp("kubernetes")) as real:
        yield real.server()


@pytest.fixture
def driver() -> str:
    """A driver name that no other test has."""
    return f"d{uuid.uuid4().hex[:10]}.csi.test"


@pytest.fixture
async def cluster(api_server: ApiServer, driver: str) -> AsyncIterator[Cluster]:
    """A cluster behind a proxy."""
    async with FaultProxy.start(api_server.kubeconfig()) as proxy:
        yield Cluster(api_server, proxy, driver)


@pytest.fixture
async def worker(temporal_client: Client, cluster: Cluster, driver: str) -> AsyncIterator[MooringWorker]:
    """A ready worker without a backend."""
    async with running_worker(temporal_client, quick(driver), cluster.proxy.kubeconfig()) as running:
        yield running


@pytest.fixture
def backend() -> JournalBackend:
    """The backend of `backed_worker`."""
    return JournalBackend()


@pytest.fixture
async def backed_worker(
    temporal_client: Client, cluster: Cluster, driver: str, backend: JournalBackend
) -> AsyncIterator[MooringWorker]:
    """A ready worker with a backend."""
    settings = quick(driver, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as running:
        yield running


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where `metrics` are registered."""
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    """The metrics of one worker."""
    return Metrics(registry)


@pytest.fixture
def mooring(temporal_client: Client, driver: str) -> MooringClient:
    """A client of the test's driver."""
    return MooringClient(temporal_client, driver=driver)

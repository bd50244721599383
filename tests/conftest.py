"""Shared by all tests: one real Temporal server and one Kubernetes API a session; a driver name, and so a world, a test."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.proxy import FaultProxy
from mooring.devstack.temporal import DevTemporal
from mooring.process.metrics import Metrics
from mooring.temporal.connection import register_search_attributes
from tests.harness.backend import JournalBackend
from tests.harness.chart import Helm
from tests.harness.cluster import Cluster
from tests.harness.kubernetes import Kubernetes, open_kubernetes
from tests.harness.patient import PatientClient
from tests.harness.processes import Fleet, open_fleet
from tests.harness.workers import quick, running_worker
from worker import MooringWorker

pytest_plugins = ["tests.harness.require_real"]


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """Children that heed SIGINT, though a shell that runs the suite in the background has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
def assets() -> Path:
    """The folder of the real Kubernetes binaries."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        pytest.skip("no real Kubernetes: set KUBEBUILDER_ASSETS to the folder that kube/build.sh prints")
    return Path(folder)


@pytest.fixture(scope="session")
async def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kubernetes]:
    """An API server: the real one, if KUBEBUILDER_ASSETS names the folder of its binaries."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    async with open_kubernetes(Path(folder) if folder else None, tmp_path_factory.mktemp("kubernetes")) as opened:
        yield opened


@pytest.fixture(scope="session")
def api_server(kubernetes: Kubernetes) -> ApiServer:
    """The API server, with all rights on it."""
    return kubernetes.admin


@pytest.fixture(scope="session")
def account(kubernetes: Kubernetes) -> ApiServer:
    """The API server, as workers reach it: a real one grants them the rights in deploy/kubernetes/rbac.yaml, and no more."""
    return kubernetes.account


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    """helm."""
    path = os.environ.get("HELM")
    if not path:
        pytest.skip("no helm: set HELM to what helm/build.sh prints")
    return Helm(path, tmp_path)


@pytest.fixture
def driver() -> str:
    """A driver name that no other test has."""
    return f"d{uuid.uuid4().hex[:10]}.csi.test"


@pytest.fixture
async def cluster(api_server: ApiServer, account: ApiServer, driver: str) -> AsyncIterator[Cluster]:
    """A cluster, and for workers a proxy before it."""
    async with FaultProxy.start(account.kubeconfig()) as proxy:
        yield Cluster(api_server, proxy, driver)


@pytest.fixture
async def worker(temporal_client: Client, cluster: Cluster, driver: str) -> AsyncIterator[MooringWorker]:
    """A ready worker without a backend."""
    async with running_worker(temporal_client, quick(driver), cluster.proxy.kubeconfig()) as running:
        yield running


@pytest.fixture
def backend() -> Iterator[JournalBackend]:
    """The backend of `backed_worker`; no call carries a token that is too old, unless the test expects that."""
    journal = JournalBackend()
    yield journal
    assert journal.expects_stragglers or not journal.refused, journal.refused


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
    """The registry of `metrics`."""
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    """The metrics of one worker."""
    return Metrics(registry)


@pytest.fixture
def mooring(temporal_client: Client, driver: str) -> MooringClient:
    """A client of the test's driver; a call that means a deadline names it."""
    return PatientClient(temporal_client, driver=driver)


@pytest.fixture
async def fleet(temporal_client: Client, cluster: Cluster, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Worker processes; none yet."""
    async with open_fleet(temporal_client.service_client.config.target_host, cluster, tmp_path) as opened:
        yield opened
    assert not opened.journal.stragglers()

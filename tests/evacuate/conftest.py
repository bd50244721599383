"""A node that dies, and a worker that evacuates it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.ward import Ward
from tests.harness.workers import quick, running_worker
from worker import MooringWorker


@pytest.fixture
def ward(cluster: Cluster, temporal_client: Client, mooring: MooringClient) -> Ward:
    """The node."""
    return Ward(cluster, temporal_client, mooring)


@pytest.fixture
async def nurse(temporal_client: Client, cluster: Cluster, driver: str, backend: JournalBackend) -> AsyncIterator[MooringWorker]:
    """A worker that evacuates by command alone; a Node is gone for good after a second."""
    settings = quick(driver, node_check="csinode", evacuate="off", node_gone=1, backend="in:tests", adopt_interval=0.1)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as running:
        yield running

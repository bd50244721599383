"""A CSI endpoint in front of a real worker, without a driver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from mooring.csi.sidecar import open_sidecar
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, csi_client
from tests.harness.patient import patient
from tests.harness.workers import running_worker


@pytest.fixture
async def csi(
    temporal_client: Client, cluster: Cluster, driver: str, backend: JournalBackend, tmp_path: Path
) -> AsyncIterator[CsiClient]:
    """A CO's way to Mooring without a driver; the journal backend attaches."""
    settings = patient(driver, csi_endpoint=f"unix://{tmp_path}/csi.sock")
    async with (
        open_sidecar(settings) as sidecar,
        running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend, sidecar.state),
        csi_client(settings.csi_endpoint) as co,
    ):
        yield co

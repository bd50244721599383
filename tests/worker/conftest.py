"""Workers as processes, or several in this one, on the session's servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.harness.cluster import Cluster
from tests.harness.processes import Fleet, open_fleet


@pytest.fixture
async def fleet(temporal_client: Client, cluster: Cluster, tmp_path: Path) -> AsyncIterator[Fleet]:
    """No worker process yet."""
    async with open_fleet(temporal_client.service_client.config.target_host, cluster, tmp_path) as opened:
        yield opened

"""An API client through the cluster's proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.connection import connect
from tests.harness.cluster import Cluster


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[KubernetesApi]:
    connected = await connect(cluster.proxy.kubeconfig(), {}, 5.0)
    yield connected
    await connected.close()

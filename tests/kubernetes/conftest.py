"""A connection through the proxy, with a token that must never be seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mooring.kubernetes.api import KubernetesApi, Request
from mooring.kubernetes.connection import connect
from tests.harness.cluster import PVS, Cluster

TOKEN = "s3cr3t-b3ar3r"
TIMEOUT = 3.0
READ = Request("read PersistentVolume pv-1", "GET", f"{PVS}/pv-1")
LIST = Request("list PersistentVolumes", "GET", PVS, {"limit": "1"})


def kubeconfig(cluster: Cluster, token: str = TOKEN) -> dict[str, Any]:
    """Return the proxy's kubeconfig, with a token of our own."""
    found = cluster.proxy.kubeconfig()
    return {**found, "users": [{"name": found["users"][0]["name"], "user": {"token": token}}]}


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[KubernetesApi]:
    connected = await connect(kubeconfig(cluster), {}, TIMEOUT)
    yield connected
    await connected.close()

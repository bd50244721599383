"""A volume that loses its record: workers that saw it, and workers that didn't."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from temporalio.client import Client, Interceptor

from mooring.backend import Backend
from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.workers import quick, running_worker
from worker import MooringWorker

Serving = Callable[..., AbstractAsyncContextManager[MooringWorker]]


@pytest.fixture
def existing(cluster: Cluster, kubernetes: Kubernetes) -> ExistingCluster:
    return ExistingCluster(cluster, real=kubernetes.audit is not None)


@pytest.fixture
def serving(temporal_client: Client, cluster: Cluster) -> Serving:
    """A function that has a worker serve while the block lasts, for which clocks are equal."""

    @asynccontextmanager
    async def served(backend: Backend | None = None, *interceptors: Interceptor, **overrides: Any) -> AsyncIterator[MooringWorker]:
        settings = quick(cluster.driver, **{"adopt_interval": 0.1, "clock_skew": 0.01, **overrides})
        config = temporal_client.config()
        config["interceptors"] = interceptors
        client = Client(**config)
        async with running_worker(client, settings, cluster.proxy.kubeconfig(), backend) as worker:
            yield worker

    return served

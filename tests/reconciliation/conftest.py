"""Reconciliations that are started by hand, and don't take long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from mooring import names
from mooring.models.reconciliation import ReconcileRequest, ReconcileResult
from mooring.settings import Settings, default_task_queue
from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.workers import quick

Begin = Callable[[], Awaitable[WorkflowHandle[Any, ReconcileResult]]]
Reconcile = Callable[[], Awaitable[ReconcileResult]]


@pytest.fixture
def existing(cluster: Cluster, kubernetes: Kubernetes) -> ExistingCluster:
    """The cluster's own view of the test's driver: its nodes, volumes and VolumeAttachments."""
    return ExistingCluster(cluster, real=kubernetes.audit is not None)


@pytest.fixture
def begin(temporal_client: Client, driver: str) -> Begin:
    """A function that begins a reconciliation."""

    async def begin() -> WorkflowHandle[Any, ReconcileResult]:
        return await temporal_client.start_workflow(
            names.RECONCILE,
            ReconcileRequest(driver=driver),
            id=names.reconcile_id(driver),
            task_queue=default_task_queue(driver),
            result_type=ReconcileResult,
        )

    return begin


@pytest.fixture
def reconcile(begin: Begin) -> Reconcile:
    """A function that reconciles, and returns the result."""

    async def reconcile() -> ReconcileResult:
        return await (await begin()).result()

    return reconcile


def settling(driver: str, **overrides: Any) -> Settings:
    """Return settings under which two looks follow each other at once."""
    return quick(driver, **{"reconcile_settle": 0.2, **overrides})


def found(result: ReconcileResult) -> list[tuple[str, str, str, str]]:
    """Return kind, volume, node and outcome of each drift."""
    return sorted((drift.kind.value, drift.volume_handle, drift.node_id, drift.outcome.value) for drift in result.drifts)

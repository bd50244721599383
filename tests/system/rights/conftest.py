"""The requests of the workers' account to the session's API server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mooring.devstack.kubernetes.account import ACCOUNT
from tests.harness.audit import READS, AuditLog
from tests.harness.cluster import Cluster
from tests.harness.kubernetes import Kubernetes

Cost = tuple[int, int]
"""Number of writes, and number of reads."""


@pytest.fixture
def audit(kubernetes: Kubernetes) -> AuditLog:
    """The audit log, which only a real server keeps."""
    if kubernetes.audit is None:
        pytest.skip("no audit log: set KUBEBUILDER_ASSETS to the folder that kube/build.sh prints")
    return kubernetes.audit


@pytest.fixture
def spent(kubernetes: Kubernetes, cluster: Cluster) -> Callable[[], Cost]:
    """The workers' cost to the API so far, but for Events: read off the audit log, or counted before an embedded server."""
    audit, requests = kubernetes.audit, cluster.proxy.requests
    if audit is None:
        return lambda: _cost([verb for verb, path in requests.elements() if "/events" not in path], ("GET", "WATCH"))
    start = audit.position()
    return lambda: _cost([entry.verb for entry in audit.entries(ACCOUNT, start) if entry.right.resource != "events"], READS)


def _cost(verbs: list[str], reads: tuple[str, ...]) -> Cost:
    read = sum(verb in reads for verb in verbs)
    return len(verbs) - read, read

"""A cluster that is older than its Mooring."""

from __future__ import annotations

import pytest

from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.kubernetes import Kubernetes


@pytest.fixture
def existing(cluster: Cluster, kubernetes: Kubernetes) -> ExistingCluster:
    return ExistingCluster(cluster, real=kubernetes.audit is not None)

"""A cluster that is older than its Mooring."""

from __future__ import annotations

import pytest

from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import Living
from tests.harness.kubernetes import Kubernetes


@pytest.fixture
def living(cluster: Cluster, kubernetes: Kubernetes) -> Living:
    return Living(cluster, real=kubernetes.audit is not None)

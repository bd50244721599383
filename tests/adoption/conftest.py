"""A cluster that is older than its Mooring."""

from __future__ import annotations

import pytest

from tests.harness.cluster import Cluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.living import Living


@pytest.fixture
def living(cluster: Cluster, kubernetes: Kubernetes) -> Living:
    return Living(cluster, real=kubernetes.audit is not None)

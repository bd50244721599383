"""A volume that migrates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from mooring.client import MooringClient
from mooring.models import AccessMode, AccessType, PublishRequest, PublishResult
from tests.harness.cluster import Cluster

Publish = Callable[[str], Awaitable[PublishResult]]


@pytest.fixture
def publish(mooring: MooringClient, cluster: Cluster) -> Publish:
    """Publishes the volume `vm`, a block volume that several nodes may write to."""

    async def publish(node: str) -> PublishResult:
        asked = PublishRequest(
            driver=cluster.driver,
            volume_handle="vm",
            node_id=node,
            access_mode=AccessMode.MULTI_NODE_MULTI_WRITER,
            access_type=AccessType(block=True),
        )
        return await mooring.request_publish(asked)

    return publish

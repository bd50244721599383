"""A volume that migrates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from temporalio.client import Client, WorkflowHandle

from mooring import names
from mooring.client import MooringClient
from mooring.models import AccessMode, AccessType, MigrationResult, PublishRequest, PublishResult, VolumeRef
from tests.harness.cluster import Cluster

Publish = Callable[[str], Awaitable[PublishResult]]
Watch = WorkflowHandle[object, MigrationResult]


@pytest.fixture
def publish(mooring: MooringClient, cluster: Cluster) -> Publish:
    """A function that publishes the volume `vm`, a block volume that several nodes may write to."""

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


@pytest.fixture
def watch(temporal_client: Client, cluster: Cluster) -> Watch:
    """The watch over the migration of `vm`."""
    volume = VolumeRef(driver=cluster.driver, volume_handle="vm")
    return temporal_client.get_workflow_handle(names.migration_id(volume), result_type=MigrationResult)


async def shown(watch: Watch) -> str:
    """Return the state that the watch shows."""
    found = (await watch.describe()).search_attributes.get(names.ATTACHMENT_STATE, [""])
    return str(found[0])

"""Volumes that are attached, and PVs that go, as a worker sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.workers import until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.existing_cluster import ExistingCluster
    from worker import MooringWorker


async def attach_seen(worker: MooringWorker, existing: ExistingCluster, handle: str, node_id: str) -> str:
    """Attach the volume to the node, and wait until the worker knows; return the VolumeAttachment's name."""
    name = await existing.attach(handle, node_id, noted=node_id)
    await until(lambda: not worker.context.clientset.attachment_cache.is_gone(name))
    return name


async def delete_seen(worker: MooringWorker, cluster: Cluster, *handles: str) -> None:
    """Have the PVs of the volumes go, and the worker know."""
    for handle in handles:
        await cluster.delete(handle)
    await until(lambda: not any(worker.manager.pv_name(handle) for handle in handles))

"""A reflector of an API server behind the proxy, and of volumes in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.index.manager import AttachmentManager
from mooring.index.reflector import Reflector
from mooring.kubernetes.connection import connect
from mooring.process.metrics import Metrics
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.records import NOW

PAGE_SIZE = 3


@pytest.fixture
def manager() -> AttachmentManager:
    return AttachmentManager()


@asynccontextmanager
async def following(cluster: Cluster, manager: AttachmentManager, metrics: Metrics) -> AsyncIterator[Reflector]:
    """Yield a reflector of the cluster, and stop it in the end."""
    api = await connect(cluster.proxy.kubeconfig(), {}, 1.0)
    volumes = PersistentVolumeStore(api, cluster.driver, lambda: NOW, metrics)
    reflector = Reflector(volumes, manager, metrics, time.monotonic, PAGE_SIZE)
    try:
        yield reflector
    finally:
        await reflector.stop()
        await api.close()


@pytest.fixture
async def reflector(cluster: Cluster, manager: AttachmentManager, metrics: Metrics) -> AsyncIterator[Reflector]:
    async with following(cluster, manager, metrics) as reflector:
        yield reflector


def no_beat(_: str) -> None:
    """Ignore the heartbeat of a rebuild."""


def holders(manager: AttachmentManager) -> dict[str, str]:
    """Return volume handle -> node, for volumes with one holder."""
    return {entry.volume_handle: entry.attachment.node_id for entry in manager.list_attachments()}


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the watch has delivered what is expected."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)

"""Both kinds of `RecordStore`: on an API server, behind the proxy, and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime

import pytest

from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.connection import connect
from mooring.models import VolumeRecord, VolumeRef
from mooring.process.metrics import Metrics
from mooring.records.memory_store import MemoryStore
from mooring.records.store import RecordStore
from tests.harness.cluster import Cluster
from tests.harness.records import NOW

TIMEOUT = 3.0


OpenVolumes = Callable[..., PersistentVolumeStore]


@dataclass(frozen=True, slots=True)
class World:
    """One kind of volumes, and the means to have a volume there."""

    volumes: RecordStore
    driver: str
    cluster: Cluster | None = None

    async def volume(self, handle: str = "vol-1") -> tuple[VolumeRef, VolumeRecord]:
        """Create a volume; return it and its record."""
        if self.cluster is not None:
            await self.cluster.create(handle)
        found = await self.volumes.read(handle)
        assert found is not None
        return VolumeRef(driver=self.driver, volume_handle=handle), found


def now() -> datetime:
    return NOW


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[KubernetesApi]:
    connected = await connect(cluster.proxy.kubeconfig(), {}, TIMEOUT)
    yield connected
    await connected.close()


@pytest.fixture
def open_volumes(api: KubernetesApi, driver: str, metrics: Metrics) -> OpenVolumes:
    """A function that opens volumes with bounds that a test can wait for, or sets itself."""

    def opened(page_size: int = 500, watch_time: float = 5, watch_silence: float = 1) -> PersistentVolumeStore:
        return PersistentVolumeStore(
            api, driver, now, metrics, page_size=page_size, watch_time=watch_time, watch_silence=watch_silence
        )

    return opened


@pytest.fixture
def volumes(open_volumes: OpenVolumes) -> PersistentVolumeStore:
    return open_volumes()


@pytest.fixture
def kubernetes_world(volumes: PersistentVolumeStore, driver: str, cluster: Cluster) -> World:
    return World(volumes, driver, cluster)


@pytest.fixture
def memory_world(driver: str, metrics: Metrics) -> World:
    return World(MemoryStore(metrics), driver)


@pytest.fixture(params=["memory", "kubernetes"])
def world(request: pytest.FixtureRequest) -> World:
    chosen: World = request.getfixturevalue(f"{request.param}_world")
    return chosen

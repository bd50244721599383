"""One chain for all tests here: its links may be killed, since each is started again, and each test has objects of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from mooring.devstack.temporal import DevTemporal
from tests.harness.chain.cluster import ChainCluster, chain_cluster
from tests.harness.chain.peers import Link, controller_manager, link
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.kubernetes import Kubernetes

NAME: Final = "chain.csi.example"


@pytest.fixture(scope="package")
async def controllers(kubernetes: Kubernetes, assets: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    """The attach/detach controller."""
    async with controller_manager(kubernetes, assets, tmp_path_factory.mktemp("controllers")):
        yield


@pytest.fixture(scope="package")
async def storage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReferenceDriver]:
    """The driver at the end of the chain."""
    async with ReferenceDriver.start(tmp_path_factory.mktemp("storage"), "--name", NAME) as started:
        yield started


@pytest.fixture(scope="package")
async def links(
    kubernetes: Kubernetes,
    assets: Path,
    temporal: DevTemporal,
    storage: ReferenceDriver,
    controllers: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Link]:
    """Mooring and the attacher."""
    folder = tmp_path_factory.mktemp("chain")
    async with link(kubernetes, assets, temporal.address, storage.endpoint, folder) as links:
        async with chain_cluster(kubernetes, NAME) as cluster:
            await cluster.install()
        yield links


@pytest.fixture
async def chain(kubernetes: Kubernetes, links: Link, storage: ReferenceDriver) -> AsyncIterator[ChainCluster]:
    """The cluster, with names of the test's own; no volume was ever on two nodes when the test ends."""
    async with chain_cluster(kubernetes, NAME) as cluster:
        yield cluster
    assert not storage.violations()

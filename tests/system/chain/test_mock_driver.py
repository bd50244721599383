"""The same chain before a driver that is not ours: the Kubernetes project's mock driver, whose one node bears the driver's name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from mooring.devstack.temporal import DevTemporal
from tests.harness.chain.cluster import ChainCluster, chain_cluster
from tests.harness.chain.peers import link
from tests.harness.kubernetes import Kubernetes
from tests.harness.mock_driver import mock_driver

NAME: Final = "mock-chain.csi.example"
HANDLE: Final = "1"
"""A volume that the mock driver has from the start."""


@pytest.fixture
async def mock_chain(
    kubernetes: Kubernetes, assets: Path, temporal: DevTemporal, controllers: None, tmp_path: Path
) -> AsyncIterator[ChainCluster]:
    """The cluster, with the mock driver at the end of the chain."""
    async with (
        mock_driver(assets, tmp_path, NAME) as driver,
        link(kubernetes, assets, temporal.address, driver, tmp_path),
        chain_cluster(kubernetes, NAME) as cluster,
    ):
        await cluster.install()
        yield cluster


async def test_a_foreign_driver_attaches_and_detaches_behind_mooring(mock_chain: ChainCluster) -> None:
    node, volume = await mock_chain.node("a", node_id=NAME), await mock_chain.volume(handle=HANDLE)
    pod = await mock_chain.pod(node, volume)
    context = await mock_chain.attached(volume, node)
    await mock_chain.delete_pod(pod)
    await mock_chain.detached(volume, node)

    assert context

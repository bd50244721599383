"""Three endpoints for csi-sanity: a driver alone, Mooring in front of another like it, and Mooring without a driver."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from temporalio.client import Client

from mooring.csi.sidecar import open_sidecar
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from tests.csi.sanity.suite import Report, run_sanity
from tests.harness.mock_driver import mock_driver
from tests.harness.sidecar import fronting
from tests.harness.workers import quick, running_worker

NAME: Final = "mock.csi.example"
LIMITED: Final = "--attach-limit=2"
TEST_LIMIT: Final = "-csi.testnodevolumeattachlimit"


@pytest.fixture(scope="package")
async def alone(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The mock driver by itself."""
    folder = tmp_path_factory.mktemp("alone")
    async with mock_driver(assets, folder, NAME, LIMITED) as endpoint:
        return await run_sanity(assets, folder, endpoint, TEST_LIMIT)


@pytest.fixture(scope="package")
async def fronted(assets: Path, temporal_client: Client, account: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Mooring in front of the mock driver."""
    folder = tmp_path_factory.mktemp("fronted")
    async with mock_driver(assets, folder, NAME, LIMITED) as driver:
        async with fronting(temporal_client, account.kubeconfig(), driver, folder) as co:
            return await run_sanity(assets, folder, co.endpoint, TEST_LIMIT)


@pytest.fixture(scope="package")
async def controller_only(
    assets: Path, temporal_client: Client, account: ApiServer, tmp_path_factory: pytest.TempPathFactory
) -> Report:
    """Mooring without a driver."""
    folder = tmp_path_factory.mktemp("controller-only")
    settings = quick("controller-only.csi.example", csi_endpoint=f"unix://{folder}/csi.sock", missing_pv="reject")
    async with open_sidecar(settings) as sidecar:
        async with running_worker(temporal_client, settings, account.kubeconfig(), state=sidecar.state):
            return await run_sanity(assets, folder, settings.csi_endpoint, TEST_LIMIT)

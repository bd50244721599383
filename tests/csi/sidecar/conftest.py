"""Mooring in front of the reference driver: one of each for all tests here, each of which keeps to a volume of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.sidecar import fronting

NAME = "reference.csi.example"


@pytest.fixture
def driver() -> str:
    """The driver's name, and so the prefix of the annotations."""
    return NAME


@pytest.fixture(scope="package")
async def reference(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReferenceDriver]:
    """A driver that enforces fencing tokens."""
    async with ReferenceDriver.start(tmp_path_factory.mktemp("reference"), "--name", NAME) as started:
        yield started


@pytest.fixture(scope="package")
async def sidecar(
    temporal_client: Client, account: ApiServer, reference: ReferenceDriver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CsiClient]:
    """A CO's way to that driver, Mooring in between."""
    async with fronting(temporal_client, account.kubeconfig(), reference.endpoint, tmp_path_factory.mktemp("front")) as co:
        yield co


@pytest.fixture
async def volume(cluster: Cluster) -> str:
    """A volume with a PV."""
    handle = f"vol-{uuid.uuid4().hex[:8]}"
    await cluster.create(handle)
    return handle

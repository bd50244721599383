"""A driver that answers nothing certain for as long as it may: the publish is given up, and undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from grpc import StatusCode
from temporalio.client import Client

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from tests.harness.cluster import Cluster
from tests.harness.csi_client import refused
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.orders import Order
from tests.harness.sidecar import fronting


@pytest.fixture
def driver() -> str:
    return "uncertain.csi.example"


async def test_a_publish_that_stays_uncertain_is_rolled_back(
    temporal_client: Client, account: ApiServer, cluster: Cluster, driver: str, volume: str, tmp_path: Path
) -> None:
    async with (
        ReferenceDriver.start(tmp_path, "--name", driver) as storage,
        fronting(temporal_client, account.kubeconfig(), storage.endpoint, tmp_path, backend_budget=2) as co,
    ):
        storage.order(Order(rpc="publish", volume=volume, lose="UNAVAILABLE"))
        with refused(StatusCode.UNAVAILABLE, volume, "rolled back"):
            await co.publish(volume, "node-a")

        assert (await cluster.holder(volume), storage.attached()) == (None, {})

"""Strays that can't be detached, beside others."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from temporalio.client import Client

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from tests.harness.cluster import Cluster
from tests.harness.csi_client import csi_client
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.orders import Order
from tests.harness.patience import PATIENCE
from tests.harness.sidecar import SCHEDULED, fronting


@pytest.fixture
def driver() -> str:
    return "straying.csi.example"


async def test_one_that_the_driver_keeps_does_not_keep_the_others(
    temporal_client: Client, account: ApiServer, cluster: Cluster, tmp_path: Path, driver: str
) -> None:
    kept, volume = (f"{letter}-{uuid.uuid4().hex[:8]}" for letter in "ab")
    async with (
        ReferenceDriver.start(tmp_path, "--name", driver) as heedless,
        fronting(temporal_client, account.kubeconfig(), heedless.endpoint, tmp_path, **SCHEDULED) as co,
        csi_client(heedless.endpoint) as alone,
    ):
        heedless.order(Order(rpc="unpublish", volume=kept, node="node-a", fail="INTERNAL"))
        for each in (kept, volume):
            await cluster.create(each)
            await co.publish(each, "node-b")
            await alone.publish(each, "node-a")
        async with asyncio.timeout(PATIENCE):
            while heedless.attached()[volume] != {"node-b"}:
                await asyncio.sleep(0.1)

        assert heedless.attached()[kept] == {"node-a", "node-b"}

"""Polls that Temporal refuses for a while are made again, and nothing that serves ends for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.temporal.runs import workers_of
from tests.harness.cluster import Cluster
from tests.harness.processes import Fleet, open_fleet
from tests.harness.refusing_temporal import POLLS, RefusingTemporal
from tests.harness.workers import until


@pytest.fixture
async def between(temporal_client: Client) -> AsyncIterator[RefusingTemporal]:
    """The worker's way to Temporal."""
    async with RefusingTemporal.start(temporal_client.service_client.config.target_host) as proxy:
        yield proxy


@pytest.fixture
async def behind(between: RefusingTemporal, cluster: Cluster, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Workers that reach Temporal by that way."""
    async with open_fleet(between.address, cluster, tmp_path) as opened:
        yield opened


async def test_a_worker_whose_polls_are_refused_for_a_while_serves_on_without_a_rebuild(
    behind: Fleet, between: RefusingTemporal, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    worker = await behind.start()
    await worker.ready()
    [identity] = await workers_of(temporal_client, f"mooring-{cluster.driver}")
    rebuild = temporal_client.get_workflow_handle(names.rebuild_id(cluster.driver, identity))
    before = (await rebuild.describe()).run_id

    between.refuse_polls(grpc.StatusCode.NOT_FOUND)
    await until(lambda: all(between.refused[name] > 1 for name in POLLS))
    between.take_polls()

    assert (await mooring.publish("vol", "node-a")).persisted
    assert (await rebuild.describe()).run_id == before

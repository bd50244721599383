"""Open runs and stuck runs show in the metrics."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.process.metrics import Metrics
from mooring.temporal.open_runs import count_open
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.workers import until
from worker import MooringWorker


async def test_an_operation_that_is_open_is_counted_and_one_that_takes_long_is_stuck(
    backed_worker: MooringWorker,
    cluster: Cluster,
    mooring: MooringClient,
    backend: JournalBackend,
    temporal_client: Client,
    metrics: Metrics,
    registry: CollectorRegistry,
) -> None:
    await cluster.create("vol")
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()

    def shown() -> tuple[float | None, ...]:
        names = ("mooring_open_runs", "mooring_stuck_operations")
        return tuple(registry.get_sample_value(name, {"state": "Publishing"}) for name in names)

    hurried = count_open(temporal_client, cluster.driver, metrics, lambda: datetime.now(UTC), every=0.1, long=timedelta(0))
    counting = asyncio.create_task(hurried)
    await until(lambda: shown() == (1, 1))
    backend.publish_gate.set()
    await publish
    await until(lambda: shown() == (0, 0))
    counting.cancel()


async def test_what_may_rightly_wait_is_not_stuck(
    worker: MooringWorker,
    mooring: MooringClient,
    temporal_client: Client,
    driver: str,
    metrics: Metrics,
    registry: CollectorRegistry,
) -> None:
    await mooring.publish("vol", "node-a")

    hurried = count_open(temporal_client, driver, metrics, lambda: datetime.now(UTC), every=0.1, long=timedelta(0))
    counting = asyncio.create_task(hurried)
    await until(lambda: registry.get_sample_value("mooring_open_runs", {"state": "WaitingForPV"}) == 1)
    counting.cancel()

    assert registry.get_sample_value("mooring_stuck_operations", {"state": "WaitingForPV"}) == 0

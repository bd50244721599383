"""The Schedule, and the reports that its runs keep for everybody who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from temporalio.client import Client, ScheduleOverlapPolicy

from mooring import names
from mooring.client import MooringClient
from mooring.devstack.temporal import DevTemporal
from mooring.models import Approval
from mooring.process.metrics import Metrics
from mooring.reconciliation.monitor import ReconciliationMonitor
from mooring.reconciliation.report import ReconciliationReport, begin, last_report, progress, result
from mooring.reconciliation.schedule import ReconcileSchedule, scheduled_queue
from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.records import NOW
from tests.harness.workers import running_worker, until
from tests.reconciliation.conftest import settling

HOURLY = 3600
UNREADABLE = {"kind": "unreadable_record"}


@pytest.fixture
async def schedule(temporal_client: Client, driver: str) -> AsyncIterator[ReconcileSchedule]:
    """The driver reconciled every hour; the Schedule goes with the test."""
    settings = settling(driver, reconcile_interval=HOURLY)
    yield ReconcileSchedule.of(settings)
    await ReconcileSchedule.of(settling(driver)).keep(temporal_client)


async def reported(client: Client, driver: str) -> ReconciliationReport:
    """Return the report, once there is a Schedule."""
    async with asyncio.timeout(PATIENCE):
        while (report := await last_report(client, driver)) is None:
            await asyncio.sleep(0.05)
    return report


async def test_many_workers_make_one_that_skips_what_overlaps(
    temporal_client: Client, driver: str, schedule: ReconcileSchedule
) -> None:
    await asyncio.gather(*(schedule.keep(temporal_client) for _ in range(5)))

    kept = (await temporal_client.get_schedule_handle(names.reconcile_id(driver)).describe()).schedule
    assert kept.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert [each.every for each in kept.spec.intervals] == [timedelta(seconds=HOURLY)]


async def test_another_interval_corrects_it_and_keeps_it_paused(
    temporal_client: Client, driver: str, schedule: ReconcileSchedule
) -> None:
    handle = temporal_client.get_schedule_handle(names.reconcile_id(driver))
    await schedule.keep(temporal_client)
    await handle.pause(note="hands off")

    await ReconcileSchedule(driver, "elsewhere", interval=60, pauses=1).keep(temporal_client)

    kept = (await handle.describe()).schedule
    assert ([each.every for each in kept.spec.intervals], kept.state.paused) == ([timedelta(seconds=60)], True)


async def test_a_worker_with_another_task_queue_leaves_it_to_those_who_poll_the_one_it_names(
    temporal_client: Client, cluster: Cluster, driver: str, schedule: ReconcileSchedule, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settling(driver, reconcile_interval=HOURLY)
    mistyped = ReconcileSchedule.of(settling(driver, reconcile_interval=60, task_queue="mistyped"))
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await reported(temporal_client, driver)

        await mistyped.keep(temporal_client)
        await mistyped.take_over(temporal_client)

        assert await scheduled_queue(temporal_client, driver) == settings.queue
    assert f"names task queue {settings.queue}, which worker-" in caplog.text
    kept = (await temporal_client.get_schedule_handle(names.reconcile_id(driver)).describe()).schedule
    assert [each.every for each in kept.spec.intervals] == [timedelta(seconds=HOURLY)]


async def test_one_that_names_a_task_queue_that_nobody_polls_is_taken_over_at_the_next_look(
    temporal_client: Client, driver: str, schedule: ReconcileSchedule, metrics: Metrics
) -> None:
    short = ReconcileSchedule.of(settling(driver, reconcile_interval=1))
    keeping = asyncio.create_task(ReconciliationMonitor(temporal_client, short, metrics, lambda: NOW).keep_up())
    await reported(temporal_client, driver)

    await ReconcileSchedule.of(settling(driver, reconcile_interval=HOURLY, task_queue=f"mistyped-{driver}")).keep(temporal_client)

    async with asyncio.timeout(PATIENCE):
        while await scheduled_queue(temporal_client, driver) != short.task_queue:
            await asyncio.sleep(0.05)
    keeping.cancel()
    await asyncio.wait([keeping])


async def test_one_that_somebody_deletes_is_made_again(temporal_client: Client, driver: str, metrics: Metrics) -> None:
    schedule = ReconcileSchedule.of(settling(driver, reconcile_interval=1))
    keeping = asyncio.create_task(ReconciliationMonitor(temporal_client, schedule, metrics, lambda: NOW).keep_up())
    await reported(temporal_client, driver)
    await temporal_client.get_schedule_handle(names.reconcile_id(driver)).delete()

    await reported(temporal_client, driver)

    keeping.cancel()
    await asyncio.wait([keeping])
    await ReconcileSchedule.of(settling(driver)).keep(temporal_client)


async def test_where_none_is_wanted_there_is_none(temporal_client: Client, driver: str, schedule: ReconcileSchedule) -> None:
    await schedule.keep(temporal_client)
    none = ReconcileSchedule(driver, "queue", interval=0, pauses=1)

    for _ in range(2):
        await none.keep(temporal_client)

    assert await last_report(temporal_client, driver) is None
    assert await begin(temporal_client, driver) is None


async def test_a_run_that_is_asked_for_is_reported_and_what_overlaps_joins_it(
    temporal_client: Client, cluster: Cluster, driver: str, schedule: ReconcileSchedule
) -> None:
    settings = settling(driver, reconcile_interval=HOURLY, reconcile_settle=2)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await cluster.create("bad", {cluster.keys.epoch: "many"})
        await reported(temporal_client, driver)

        first = await begin(temporal_client, driver)
        second = await begin(temporal_client, driver)

        assert first is not None
        assert first == second
        assert (await result(temporal_client, first)).left == {"unreadable_record": 1}
        report = await last_report(temporal_client, driver)

    assert report is not None
    assert report.result is not None
    assert (report.result.state, report.failed, report.running) == (State.DRIFTED, "", None)


async def test_every_worker_shows_what_any_of_them_found(
    temporal_client: Client, cluster: Cluster, driver: str, schedule: ReconcileSchedule
) -> None:
    settings = settling(driver, reconcile_interval=1)
    registries = [CollectorRegistry() for _ in range(2)]
    await cluster.create("bad", {cluster.keys.epoch: "many"})
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running_worker(temporal_client, settings, cluster.proxy.kubeconfig()))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        watching = [
            tasks.create_task(
                ReconciliationMonitor(temporal_client, ReconcileSchedule.of(settings), Metrics(registry), lambda: NOW).keep_up()
            )
            for registry in registries
        ]
        async with asyncio.timeout(PATIENCE):
            while any(registry.get_sample_value("mooring_drift", UNREADABLE) != 1 for registry in registries):
                await asyncio.sleep(0.1)
        for task in watching:
            task.cancel()


async def test_a_run_goes_on_when_its_worker_is_replaced(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, driver: str, schedule: ReconcileSchedule
) -> None:
    settings = settling(driver, reconcile_interval=HOURLY, drift_guard=0)
    await schedule.keep(temporal_client)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
        cluster.proxy.fail("PATCH", status=400, times=1)
        await mooring.unpublish("vol", "node-a")
        run = await begin(temporal_client, driver)
        assert run is not None
        async with asyncio.timeout(PATIENCE):
            while (await progress(temporal_client, run)).state is not State.AWAITING_APPROVAL:
                await asyncio.sleep(0.05)
        waiting = await last_report(temporal_client, driver)

    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()):
        handle = temporal_client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
        await handle.execute_update(names.APPROVE, Approval(by="jo", reason="seen"))
        ended = await result(temporal_client, run)

    assert waiting is not None
    assert (waiting.awaits_approval, waiting.running) == (True, run)
    assert (ended.state, ended.healed) == (State.HEALED, 1)


async def test_what_temporal_refuses_is_tried_again_and_keeps_nobody_from_serving(
    temporal: DevTemporal, temporal_client: Client, driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    lost = await Client.connect(temporal_client.service_client.config.target_host, namespace="nowhere")
    schedule = ReconcileSchedule(driver, "queue", interval=1, pauses=1)
    keeping = asyncio.create_task(ReconciliationMonitor(lost, schedule, Metrics(CollectorRegistry()), lambda: NOW).keep_up())

    await until(lambda: caplog.text.count("trying again") > 1)

    assert not keeping.done()
    keeping.cancel()

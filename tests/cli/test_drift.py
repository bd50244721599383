"""`mooring drift` and `mooring approve`, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from mooring.cli.exit_codes import ExitCode
from mooring.reconciliation.report import last_report
from mooring.reconciliation.schedule import ReconcileSchedule
from tests.cli.conftest import Mooring, Ran
from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.patience import PATIENCE
from tests.harness.workers import indexed, quick, running_worker
from worker import MooringWorker


@pytest.fixture
async def worker(temporal_client: Client, cluster: Cluster, driver: str) -> AsyncIterator[MooringWorker]:
    """A worker that heals nothing without an approval, and whose driver is reconciled when somebody asks."""
    settings = quick(driver, reconcile_interval=3600, reconcile_settle=0.2, drift_guard=0, approval_wait=60)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()) as running:
        async with asyncio.timeout(PATIENCE):
            while await last_report(temporal_client, driver) is None:
                await asyncio.sleep(0.05)
        yield running
    await ReconcileSchedule(driver, settings.queue, interval=0, pauses=0).keep(temporal_client)


async def unrecorded(worker: MooringWorker, cluster: Cluster, kubernetes: Kubernetes) -> None:
    """Attach a volume that Mooring knows but that was never recorded."""
    await cluster.create("vol")
    await indexed(worker, "vol")
    await ExistingCluster(cluster, real=kubernetes.audit is not None).attach("vol", "node-a")


def told(ran: Ran, code: ExitCode, *words: str) -> None:
    """Check that the command ended with this code, and that these words are among its notes."""
    assert (ran.code, [word for word in words if word not in ran.err]) == (code, []), ran


async def test_before_the_first_reconciliation_there_is_nothing_to_report(worker: MooringWorker, run: Mooring) -> None:
    told(await run("drift"), ExitCode.PENDING, "--now")


async def test_what_is_in_step_is_shown_when_it_is_asked_for(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")

    told(await run("drift", "--now"), ExitCode.OK, "1 PersistentVolume compared: 0 drifts, 0 left.")
    told(await run("drift"), ExitCode.OK, "ago: 1 PersistentVolume compared")


async def test_drift_that_is_left_is_a_failure_and_in_the_table(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("bad", {cluster.keys.epoch: "many"})

    ran = await run("drift", "--now")

    told(ran, ExitCode.FAILED, "unreadable_record: 1, left: 1")
    [row] = ran.rows
    assert (row["KIND"], row["VOLUME"], row["NODE"], row["OUTCOME"]) == ("unreadable_record", "bad", "<none>", "left")


async def test_a_schedule_that_names_another_task_queue_is_told(worker: MooringWorker, run: Mooring, driver: str) -> None:
    await run("drift", "--now")

    ran = await run("--task-queue", "another", "drift")

    told(ran, ExitCode.OK, f"The Schedule reconcile/{driver} names task queue mooring-{driver}, not another")
    assert "names task queue" not in (await run("drift")).err


async def test_it_is_for_programs_too(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("bad", {cluster.keys.epoch: "many"})

    printed = await run("drift", "--now", "-o", "json")
    found = printed.data

    assert (printed.form, found["state"], found["left"]) == ("mooring.drift/v1", "Drifted", {"unreadable_record": 1})
    assert found["differences"][0]["advice"]


async def test_what_waits_for_an_approval_is_told_and_goes_on_with_it(
    worker: MooringWorker, cluster: Cluster, kubernetes: Kubernetes, run: Mooring
) -> None:
    await unrecorded(worker, cluster, kubernetes)
    told(await run("drift", "--now"), ExitCode.PENDING, "1 heal.", "mooring approve reconcile")

    approved = await run("approve", "reconcile", "--by", "jo", "--reason", "moved by hand")

    assert (approved.code, "Approved by jo" in approved.out) == (ExitCode.OK, True)
    told(await run("drift", "--now"), ExitCode.OK)
    assert await cluster.holder("vol") == "node-a"


@pytest.mark.parametrize("what", ["reconcile", "evacuate/node-a"])
async def test_where_nothing_waits_an_approval_says_so(worker: MooringWorker, run: Mooring, what: str) -> None:
    told(await run("approve", what, "--by", "jo", "--reason", "why not"), ExitCode.NOT_FOUND, "Error:", "mooring list --open")


@pytest.mark.parametrize(
    "arguments", [("migration/vol", "--by", "jo", "--reason", "x"), ("reconcile", "--by", "jo", "--reason", " ")]
)
async def test_an_approval_of_nothing_or_for_no_reason_is_refused(run: Mooring, arguments: tuple[str, ...]) -> None:
    told(await run("approve", *arguments), ExitCode.USAGE)


async def test_a_run_that_waits_for_no_approval_is_named_before_the_approver_is_asked_for(run: Mooring) -> None:
    told(await run("approve", "migration/vol", "--by", "", "--reason", "x", USER=""), ExitCode.USAGE, "migration/vol")


async def test_a_driver_that_nobody_reconciles_is_not_found(run: Mooring) -> None:
    for arguments in (("drift",), ("drift", "--now")):
        told(await run(*arguments), ExitCode.NOT_FOUND, "MOORING_RECONCILE_INTERVAL")

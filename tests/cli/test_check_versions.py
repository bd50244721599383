"""`mooring check` on workers that are versions of a Worker Deployment: it names those that get no tasks, and the way out."""

from __future__ import annotations

import shlex

import pytest
from temporalio.client import Client

from mooring.checks.versions import judge_unserved
from mooring.settings import Settings
from mooring.temporal.queues import QueueWorkers, Version
from tests.cli.conftest import Mooring
from tests.cli.test_check import failure, found
from tests.harness.cluster import Cluster
from tests.harness.versions import WorkerDeployment, temporal
from tests.harness.workers import quick, running_worker
from worker import MooringWorker


@pytest.fixture
def deployment(temporal_client: Client) -> WorkerDeployment:
    return WorkerDeployment(temporal_client)


@pytest.fixture
def versioned(deployment: WorkerDeployment, cluster: Cluster) -> Settings:
    return quick(cluster.driver, worker_deployment=deployment.name, worker_build_id="7.1")


async def test_no_current_version_is_a_failure_whose_command_mends_it(
    temporal_client: Client, cluster: Cluster, versioned: Settings, look: Mooring
) -> None:
    async with running_worker(temporal_client, versioned, cluster.proxy.kubeconfig()):
        ran = await look("check", "-o", "json")
        assert "no version of a Worker Deployment is current" in await failure(ran, "workers-serve")
        program, *command = shlex.split(found(ran, "workers-serve")["command"])
        assert program == "temporal"

        await temporal(temporal_client, *command, "--yes")

        ran = await look("check", "-o", "json")
        assert [found(ran, check)["result"] for check in ("workers-serve", "workers-adopt", "workers-wait")] == ["ok"] * 3


async def test_a_worker_beside_those_that_serve_is_named_with_its_version(
    temporal_client: Client, cluster: Cluster, versioned: Settings, worker: MooringWorker, look: Mooring
) -> None:
    async with running_worker(temporal_client, versioned, cluster.proxy.kubeconfig()) as other:
        serve = found(await look("check", "-o", "json"), "workers-serve")

    serving, idle = worker.context.identity, f"{other.context.identity} (build 7.1 of {versioned.worker_deployment})"
    assert (serve["result"], serve["description"].endswith(f"{serving}; not {idle}")) == ("ok", True)


def test_workers_of_no_version_are_told_how_to_serve_again_once_those_of_the_current_one_have_left() -> None:
    unserved = judge_unserved("default", "q", QueueWorkers(frozenset(), {"w": Version()}, Version("mooring", "7.1")))

    assert (
        unserved.cause
        == "No worker gets the tasks of queue q: only build 7.1 of mooring gets them, and it is polled by w (not versioned)."
    )
    assert unserved.command.endswith(" --deployment-name mooring --unversioned")

"""The command on workers that are versions of a Worker Deployment: it names those that get no tasks, and the way out."""

from __future__ import annotations

import asyncio
import shlex
from typing import Any

import pytest
from temporalio.client import Client

from mooring.cli.exit_codes import ExitCode
from mooring.settings import Settings
from mooring.temporal.queues import QueueWorkers, Version
from tests.cli.conftest import Mooring
from tests.cli.test_check import failure, found
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
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


async def test_an_operation_that_waits_for_a_version_is_explained_with_the_command_that_lets_it_go_on(
    temporal_client: Client, cluster: Cluster, versioned: Settings, look: Mooring
) -> None:
    await cluster.create("vol")
    async with running_worker(temporal_client, versioned, cluster.proxy.kubeconfig()) as idle:
        asked = asyncio.create_task(idle.context.mooring.publish("vol", "node-a", deadline=PATIENCE))
        advice, page = await waiting(look), (await look("explain", "vol")).out

        program, *command = shlex.split(advice["commands"][0])
        assert program == "temporal"
        await temporal(temporal_client, *command, "--yes")
        await asked

    polls = f"{idle.context.identity} (build 7.1 of {versioned.worker_deployment})"
    assert all(each in advice["says"] for each in ("no version of a Worker Deployment is current", polls, "node-a waits"))
    assert "no version of a Worker Deployment is current" in " ".join(page.partition("\nWorkers")[2].split())


async def waiting(look: Mooring) -> dict[str, Any]:
    """Return the advice about the operation that waits for a version, once Temporal lists it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for each in (await look("explain", "vol", "-o", "json")).data["what_to_do"]:
                if each["situation"] == "no-current-version":
                    return dict(each)
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("command", "so"),
    [(["get", "vol"], "can't begin"), (["publish", "--no-pv", "vol", "node-a", "--timeout", "0.5"], "waits for one")],
)
async def test_a_command_that_no_version_serves_names_them_and_the_way_out(
    temporal_client: Client, cluster: Cluster, versioned: Settings, run: Mooring, command: list[str], so: str
) -> None:
    async with running_worker(temporal_client, versioned, cluster.proxy.kubeconfig()) as idle:
        ran = await run(*command)

    assert ran.code == ExitCode.UNAVAILABLE
    assert all(each in ran.err for each in ("No worker gets the tasks", idle.context.identity, so, "set-current-version"))


async def test_a_worker_beside_those_that_serve_is_named_with_its_version(
    temporal_client: Client, cluster: Cluster, versioned: Settings, worker: MooringWorker, look: Mooring
) -> None:
    async with running_worker(temporal_client, versioned, cluster.proxy.kubeconfig()) as other:
        serve = found(await look("check", "-o", "json"), "workers-serve")

    serving, idle = worker.context.identity, f"{other.context.identity} (build 7.1 of {versioned.worker_deployment})"
    assert (serve["result"], serve["description"].endswith(f"{serving}; not {idle}")) == ("ok", True)


def test_workers_of_no_version_are_told_how_to_serve_again_once_those_of_the_current_one_have_left() -> None:
    unserved = QueueWorkers("default", "q", frozenset(), {"w": Version()}, Version("mooring", "7.1")).unserved

    assert unserved is not None
    assert (
        unserved.cause
        == "No worker gets the tasks of queue q: only build 7.1 of mooring gets them, and it is polled by w (not versioned)"
    )
    assert unserved.command.endswith(" --deployment-name mooring --unversioned")

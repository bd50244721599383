"""`mooring history`, on a real Temporal server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from mooring import names
from mooring.cli.exit_codes import ExitCode
from mooring.client import MooringClient
from mooring.errors import MooringError
from mooring.models import VolumeRef
from tests.cli.conftest import Mooring, Ran
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from worker import MooringWorker


@pytest.fixture
def open_run(temporal_client: Client, driver: str) -> WorkflowHandle[Any, Any]:
    """The latest run of the volume "vol"."""
    return temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=driver, volume_handle="vol")))


async def until(show: Callable[[], Awaitable[Ran]], there: Callable[[list[Any]], bool]) -> list[Any]:
    """Return the runs, newest first, once they are as wanted; visibility may lag."""
    async with asyncio.timeout(PATIENCE):
        while True:
            runs: list[Any] = (await show()).data
            if there(runs):
                return runs
            await asyncio.sleep(0.1)


async def history(run: Mooring, count: int) -> list[Any]:
    """Return the volume's runs, once there are so many and all have ended."""
    return await until(
        lambda: run("history", "vol", "-o", "json"), lambda runs: len(runs) == count and all(found["ended_at"] for found in runs)
    )


async def refused(operation: Awaitable[Any]) -> None:
    with pytest.raises(MooringError):
        await operation


async def test_it_says_who_held_the_volume_after_each_run(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await refused(mooring.publish("vol", "node-b"))
    await mooring.unpublish("vol")
    runs = await history(run, 3)
    told = [(found["operation"], found["node_id"], found["state"], found["held_by"], found["epoch"]) for found in runs]
    assert told == [
        ("unpublish", "", "Detached", [], 2),
        ("publish", "node-b", "Refused", ["node-a"], 1),
        ("publish", "node-a", "Attached", ["node-a"], 1),
    ]
    assert (runs[1]["failure"], "is held by node node-a" in runs[1]["message"]) == ("HeldElsewhere", True)


async def test_a_rolled_back_run_left_nobody(worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring) -> None:
    await cluster.create("vol")
    cluster.proxy.lose_answer("PATCH", times=1)
    cluster.proxy.fail("GET", status=403, times=1)
    cluster.proxy.fail("PATCH", status=403, times=1)
    await refused(mooring.publish("vol", "node-a"))
    [found] = await history(run, 1)
    assert (found["state"], found["held_by"], found["failure"]) == ("RolledBack", [], "KubernetesForbidden")


async def test_a_cancelled_run_is_told_from_a_failed_one(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring, open_run: WorkflowHandle[Any, Any]
) -> None:
    await cluster.create("vol")
    held = cluster.proxy.hold("PATCH")
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await held.reached()
    await open_run.cancel()
    held.release()
    await refused(publish)
    [found] = await history(run, 1)
    assert (found["state"], found["held_by"]) == ("Cancelled", [])


async def test_a_terminated_run_names_who_ended_it_and_why(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring, open_run: WorkflowHandle[Any, Any]
) -> None:
    await cluster.create("vol")
    cluster.proxy.fail("PATCH", status=503)
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await until(lambda: run("history", "vol", "-o", "json"), lambda runs: bool(runs) and "attempt" in runs[0]["message"])
    await open_run.terminate(reason="of a drill")
    await refused(publish)
    [found] = await history(run, 1)
    assert found["state"] == "Terminated"
    assert found["message"].endswith(": of a drill")


async def test_an_open_run_says_what_it_waits_for(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring
) -> None:
    await cluster.create("vol")
    failing = cluster.proxy.fail("PATCH", status=503, message="etcd is away")
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    [found] = await until(lambda: run("history", "vol", "-o", "yaml"), lambda runs: bool(runs) and "etcd" in runs[0]["message"])
    assert (found["state"], found["ended_at"]) == ("Publishing", None)
    assert found["message"].startswith("record node-a as holder, epoch 1, attempt ")
    failing.stop()
    await publish


async def test_a_run_that_no_worker_took_is_shown(temporal_client: Client, driver: str, run: Mooring) -> None:
    volume = VolumeRef(driver=driver, volume_handle="vol")
    payload = {"driver": driver, "volume_handle": "vol", "node_id": "node-a"}
    await temporal_client.start_workflow(names.PUBLISH, payload, id=names.volume_id(volume), task_queue="nobody-polls-this")
    ran = await run("history", "vol")
    [row] = ran.rows
    assert (row["NODE"], row["STATE"], row["HELD-BY"], row["TOOK"]) == ("node-a", "Running", "?", "-")


async def test_it_shows_who_held_the_volume_while_there_was_no_pv(
    worker: MooringWorker, mooring: MooringClient, run: Mooring
) -> None:
    await mooring.publish("vol", "node-a")
    await mooring.unpublish("vol", "node-a")
    runs = await history(run, 3)
    told = [(found["operation"], found["state"], found["held_by"]) for found in runs]
    assert told == [("unpublish", "Detached", []), ("persist", "Cancelled", []), ("publish", "Attached", ["node-a"])]


async def test_the_newest_runs_come_first_and_older_ones_are_announced(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring
) -> None:
    await cluster.create("vol")
    for node in ("node-a", "node-b", "node-c"):
        await mooring.publish("vol", node)
        await mooring.unpublish("vol", node)
    await history(run, 6)
    ran = await run("history", "vol", "--limit", "2", "-o", "wide")
    assert [(row["OPERATION"], row["NODE"]) for row in ran.rows] == [("unpublish", "node-c"), ("publish", "node-c")]
    assert "older runs" in ran.err


async def test_the_table_fits_a_hundred_columns(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "worker-12")
    await mooring.unpublish("vol")
    await history(run, 2)
    assert max(map(len, (await run("history", "vol")).out.splitlines())) <= 100


@pytest.mark.parametrize("handle", ["it's", 'a"b', "back\\slash", "vol' OR WorkflowId != '"])
async def test_a_handle_is_looked_for_literally(run: Mooring, temporal_client: Client, driver: str, handle: str) -> None:
    asked = VolumeRef(driver=driver, volume_handle=handle)
    await temporal_client.start_workflow(names.PUBLISH, asked, id=names.volume_id(asked), task_queue="nobody-polls-this")
    ran = await run("history", handle, "-o", "json")
    assert [found["workflow_id"] for found in ran.data] == [names.volume_id(asked)]


async def test_a_volume_without_runs_has_an_empty_history(cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    ran = await run("history", "vol", "-o", "json")
    assert (ran.code, ran.data) == (ExitCode.OK, [])
    assert "no run" in ran.err

"""`mooring explain` of a publish that can't be undone, of a run on another task queue, and without Kubernetes, on real servers."""

from __future__ import annotations

import asyncio
import re

from temporalio.client import Client

from mooring import names
from mooring.cli.exit_codes import ExitCode
from mooring.client import MooringClient
from mooring.models import VolumeRef
from tests.cli.conftest import Mooring, Ran
from tests.harness.cluster import Cluster
from tests.harness.details import SINCE, details
from tests.harness.patience import PATIENCE
from tests.harness.workers import quick, running_worker
from worker import MooringWorker


async def explained(look: Mooring, *told: str) -> Ran:
    """Return what is explained of the volume, once all of this is in it: a run's history and its open step are two looks."""
    async with asyncio.timeout(PATIENCE):
        while True:
            ran = await look("explain", "vol", "-o", "json", TEMPORAL_UI_ADDRESS="https://ui.test/")
            if all(each in ran.out for each in told):
                return ran
            await asyncio.sleep(0.1)


async def test_a_rollback_that_is_stuck_comes_first_with_its_cause_and_the_ways_out(
    rolling_back: None, look: Mooring, driver: str
) -> None:
    data = (await explained(look, "rolling-back", "no answer")).data
    first, run = data["what_to_do"][0], data["runs"][0]

    assert first["situation"] == "rolling-back"
    assert all(each in first["says"] for each in ("node-a", "no free port", "no answer", run["run_id"]))
    assert f"https://ui.test/namespaces/default/workflows/volume%2F{driver}%2Fvol/{run['run_id']}/history" in first["says"]
    assert any(command.startswith("temporal workflow terminate") and run["run_id"] in command for command in first["commands"])
    assert "mooring unpublish vol node-a" in first["commands"]
    assert not any(each["situation"] == "retrying" for each in data["what_to_do"])


async def test_the_ui_shows_why_a_publish_is_undone_and_the_command_that_explains_it(
    rolling_back: None, look: Mooring, temporal_client: Client, driver: str
) -> None:
    await explained(look, "no answer")
    run = temporal_client.get_workflow_handle(names.volume_id(VolumeRef(driver=driver, volume_handle="vol")))

    shown = await details(run, "roll back: backend detaches from node-a")

    assert all(each in shown for each in ("RollingBack", "no free port", "`mooring explain vol`", "`mooring unpublish vol node-a`"))
    assert re.search(f"{SINCE}.* roll back: backend detaches from node-a", shown)


async def test_an_operation_on_another_task_queue_is_explained_by_that_queues_workers(
    worker: MooringWorker, cluster: Cluster, look: Mooring, temporal_client: Client, driver: str
) -> None:
    await cluster.create("vol")
    payload = {"driver": driver, "volume_handle": "vol", "node_id": "node-a"}
    volume_id = names.volume_id(VolumeRef(driver=driver, volume_handle="vol"))
    await temporal_client.start_workflow(names.PUBLISH, payload, id=volume_id, task_queue="nobody")

    data = (await explained(look, "no-worker")).data

    assert (data["task_queue"], data["workers"]) == ("nobody", [])
    [advice] = [each for each in data["what_to_do"] if each["situation"] == "no-worker"]
    assert "nobody" in advice["says"]


async def test_without_kubernetes_a_worker_tells_who_holds_the_volume(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    ran = await run("explain", "vol", KUBECONFIG="")

    assert ran.code == ExitCode.USAGE
    [holder] = [line for line in ran.out.splitlines() if line.startswith("Held by")]
    assert "node-a" in holder
    assert "KUBECONFIG" in ran.err


async def test_without_kubernetes_a_worker_tells_that_nobody_holds_the_volume(
    worker: MooringWorker, cluster: Cluster, run: Mooring
) -> None:
    await cluster.create("vol")

    ran = await run("explain", "vol", "-o", "json", KUBECONFIG="")

    assert (ran.form, ran.data["holders"], ran.data["holders_known"]) == ("mooring.explanation/v1", [], True)
    [advice] = ran.data["what_to_do"]
    assert "no node holds the volume" in advice["says"]
    assert "KUBECONFIG" in ran.data["unasked"][0]


async def test_without_kubernetes_and_without_a_worker_the_holders_are_unknown(cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")

    assert (await run("explain", "vol", "-o", "json", KUBECONFIG="")).data["holders_known"] is False


async def test_without_kubernetes_the_workers_of_the_open_operation_are_asked(
    temporal_client: Client, cluster: Cluster, run: Mooring
) -> None:
    await cluster.create("vol")
    elsewhere = quick(cluster.driver, task_queue="elsewhere")
    async with running_worker(temporal_client, elsewhere, cluster.proxy.kubeconfig()):
        await MooringClient(temporal_client, driver=cluster.driver, task_queue="elsewhere").publish("vol", "node-a")
        failing = cluster.proxy.fail("PATCH", status=503)
        await run("--task-queue", "elsewhere", "unpublish", "vol", "node-a", "--timeout", "0.1")
        ran = await run("explain", "vol", "-o", "json", KUBECONFIG="")
        failing.stop()

    assert [held["node_id"] for held in ran.data["holders"]] == ["node-a"]

"""`mooring list` of what is not on the PVs: what waits for one, and what is under way. `mooring check` of what is stuck."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from mooring import names
from mooring.checks.results import Check
from mooring.checks.runner import Asked, check_everything
from mooring.cli.exit_codes import ExitCode
from mooring.client import MooringClient
from mooring.kubernetes.connection import connect
from mooring.models import VolumeRef
from mooring.settings import default_task_queue
from mooring.states import State
from mooring.temporal.under_way import list_under_way
from tests.cli.conftest import Mooring, Ran
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from worker import MooringWorker


async def until(run: Mooring, *command: str, told: str) -> Ran:
    """Return what the command prints, once this is in it."""
    async with asyncio.timeout(PATIENCE):
        while told not in (ran := await run(*command)).out:
            await asyncio.sleep(0.1)
    return ran


async def later(temporal_client: Client, cluster: Cluster, minutes: float) -> dict[str, Check]:
    """Return the answers of all checks, by id, as they will be so much later."""

    async def temporal() -> Client:
        return temporal_client

    queue = default_task_queue(cluster.driver)
    then = datetime.now(UTC) + timedelta(minutes=minutes)
    asked = Asked(cluster.driver, queue, temporal, lambda: connect(cluster.server.kubeconfig(), {}, 5), now=lambda: then)
    return {check.id: check for check in (await check_everything(asked)).checks}


async def test_a_volume_that_waits_for_a_pv_is_listed(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring
) -> None:
    await cluster.create("free")
    await mooring.publish("vol", "node-a")

    listed = (await until(run, "list", "-o", "json", told="node-a")).data
    attached = (await run("list", "--attached", "--node", "node-a", "-o", "name")).out.split()

    [held] = [each for each in listed if each["volume_handle"] == "vol"]
    assert [(each["node_id"], each["waits_for_pv"]) for each in held["holders"]] == [("node-a", True)]
    assert (held["pvs"], attached) == ([], ["volume/vol"])


async def test_a_volume_that_is_rolled_back_is_listed_with_its_state(rolling_back: None, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("free")
    ran = await until(run, "list", told="RollingBack")
    assert {row["VOLUME"]: row["OPEN"] for row in ran.rows} == {"free": "<none>", "vol": State.ROLLING_BACK}
    assert (await run("list", "--node", "node-a", "-o", "name")).out.split() == ["volume/vol"]


async def test_what_is_under_way_is_listed_with_what_it_waits_for(rolling_back: None, cluster: Cluster, run: Mooring) -> None:
    [listed] = (await until(run, "list", "--open", "-o", "json", told="no answer")).data
    expected = {"kind": "publish", "volume_handle": "vol", "node_id": "node-a", "state": "RollingBack", "stuck": False}
    assert listed.items() >= expected.items()
    assert listed["task_queue"] == default_task_queue(cluster.driver)


async def test_what_is_under_way_is_listed_the_oldest_first_of_this_driver_alone(
    temporal_client: Client, cluster: Cluster, run: Mooring
) -> None:
    for driver, handle in ((cluster.driver, "long" * 100), (cluster.driver, "young"), (f"{cluster.driver}.other", "vol")):
        asked = VolumeRef(driver=driver, volume_handle=handle)
        payload = {**asked.model_dump(), "node_id": "node-a"}
        await temporal_client.start_workflow(names.PUBLISH, payload, id=names.volume_id(asked), task_queue="nobody")

    ran = await until(run, "list", "--open", "-o", "json", told="young")

    assert [each["volume_handle"] for each in ran.data] == ["long" * 100, "young"]


async def test_an_empty_list_of_what_is_under_way_says_so(run: Mooring) -> None:
    ran = await run("list", "--open", "-o", "json")
    assert (ran.code, ran.data, "Nothing is under way" in ran.err) == (ExitCode.OK, [], True)


async def test_without_temporal_the_records_are_listed_and_the_rest_is_told_to_be_missing(cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    ran = await run("list", "-o", "name", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert (ran.code, ran.out.split()) == (ExitCode.UNAVAILABLE, ["volume/vol"])
    assert "waits for a PersistentVolume" in ran.err


async def test_an_operation_that_is_open_for_long_fails_the_check_and_is_to_be_explained(
    rolling_back: None, temporal_client: Client, cluster: Cluster, run: Mooring
) -> None:
    await until(run, "list", told="RollingBack")

    now, soon = await later(temporal_client, cluster, 0), await later(temporal_client, cluster, 11)

    assert (now["operations-stuck"].result, soon["operations-stuck"].result) == ("ok", "failed")
    assert all(each in soon["operations-stuck"].cause for each in ("vol", "node-a", "RollingBack", "`mooring explain vol`"))
    assert soon["operations-stuck"].command == "mooring list --open"


async def test_a_volume_that_waits_for_a_pv_for_long_is_not_stuck(
    worker: MooringWorker, temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    await mooring.publish("vol", "node-a")
    async with asyncio.timeout(PATIENCE):
        while not await list_under_way(temporal_client, cluster.driver):
            await asyncio.sleep(0.1)
    assert (await later(temporal_client, cluster, 600))["operations-stuck"].result == "ok"

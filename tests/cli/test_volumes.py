"""`mooring get` and `list`, on real servers."""

from __future__ import annotations

import pytest

from mooring.cli.exit_codes import ExitCode
from mooring.client import MooringClient
from tests.cli.conftest import Mooring
from tests.harness.cluster import Cluster
from worker import MooringWorker


async def test_get_shows_who_holds_the_volume(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    [row] = (await run("get", "vol")).rows
    assert row.pop("ATTACHED").endswith("s")
    pv, mode = cluster.pv("vol"), "SINGLE_NODE_WRITER"
    assert row == {"VOLUME": "vol", "NODE": "node-a", "EPOCH": "1", "PV": pv, "MODE": mode, "OPEN": "?"}


async def test_get_wide_shows_the_exact_time_and_the_run(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    record = (await mooring.get("vol")).record
    [row] = (await run("get", "vol", "-o", "wide")).rows
    assert record is not None
    assert row["OPERATION"] == record.operation
    assert row["ATTACHED"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_get_gives_the_status_to_programs(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring, form: str
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    ran = await run("get", "vol", "-o", form)
    given = ran.data
    [holder] = given.pop("holders")
    record = (await mooring.get("vol")).record
    assert record is not None
    assert (holder["node_id"], holder["access_mode"], holder["waits_for_pv"]) == ("node-a", "SINGLE_NODE_WRITER", False)
    assert given == {
        "form": "mooring.volume/v1",
        "driver": cluster.driver,
        "volume_handle": "vol",
        "epoch": 1,
        "pvs": [cluster.pv("vol")],
        "operation": record.operation,
        "open": None,
    }


async def test_get_shows_who_holds_a_volume_without_a_pv(worker: MooringWorker, mooring: MooringClient, run: Mooring) -> None:
    await mooring.publish("vol", "node-a")
    [row] = (await run("get", "vol")).rows
    assert (row["NODE"], row["EPOCH"], row["PV"]) == ("node-a", "0", "<none>")


async def test_get_of_what_is_not_there_is_not_found(worker: MooringWorker, run: Mooring) -> None:
    ran = await run("get", "vol", "-o", "json")
    assert (ran.code, ran.out) == (ExitCode.NOT_FOUND, "")
    assert ran.err.startswith("Error: Volume vol of driver")


async def test_list_shows_every_volume_without_a_worker_or_temporal(cluster: Cluster, run: Mooring) -> None:
    await cluster.create("free")
    await cluster.create("held", {cluster.keys.node: "node-a", cluster.keys.at: "2026-01-31T04:00:41Z"})
    ran = await run("list", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert [(row["VOLUME"], row["NODE"], row["MODE"]) for row in ran.rows] == [
        ("free", "<none>", "<none>"),
        ("held", "node-a", "?"),
    ]


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ([], ["a", "b", "free"]),
        (["--node", "node-a"], ["a"]),
        (["--attached"], ["a", "b"]),
        (["--detached"], ["free"]),
        (["--node", "node-a", "--detached"], []),
    ],
)
async def test_list_is_filtered(cluster: Cluster, run: Mooring, options: list[str], listed: list[str]) -> None:
    await cluster.create("free")
    await cluster.create("a", {cluster.keys.node: "node-a"})
    await cluster.create("b", {cluster.keys.node: "node-b"})
    ran = await run("list", "-o", "name", *options)
    assert (ran.code, ran.out.split()) == (ExitCode.OK, [f"volume/{handle}" for handle in listed])


async def test_an_empty_list_says_so_on_standard_error(run: Mooring) -> None:
    ran = await run("list", "-o", "json")
    assert (ran.code, ran.data) == (ExitCode.OK, [])
    assert "has no such volumes" in ran.err


async def test_list_names_what_it_could_not_read_and_fails(cluster: Cluster, run: Mooring) -> None:
    await cluster.create("good")
    await cluster.create("bad", {cluster.keys.epoch: "many"})
    for name in ("one", "two"):
        await cluster.create("odd", {cluster.keys.node: f"node-{name}"}, name=f"{name}-{cluster.pv('odd')}")
        await cluster.create("twice", name=f"{name}-{cluster.pv('twice')}")
    ran = await run("list", "-o", "name")
    assert (ran.code, ran.out.split()) == (ExitCode.FAILED, ["volume/good", "volume/odd", "volume/twice"])
    malformed, duplicate = ran.err.splitlines()
    assert "has the epoch 'many'" in malformed
    assert "The PersistentVolumes of volume odd disagree" in duplicate

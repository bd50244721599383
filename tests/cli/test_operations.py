"""`mooring publish`, `unpublish` and `rebuild`, on real servers."""

from __future__ import annotations

import pytest

from mooring.cli.exit_codes import ExitCode
from tests.cli.conftest import Mooring
from tests.harness.cluster import Cluster
from worker import MooringWorker


async def test_a_publish_says_what_it_did(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    ran = await run("publish", "vol", "node-a")
    assert (ran.code, ran.out) == (0, "Publishing volume vol to node node-a is done at epoch 1.\n")
    assert await cluster.holder("vol") == "node-a"


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_a_publish_gives_its_result_to_programs(
    worker: MooringWorker, cluster: Cluster, run: Mooring, form: str, driver: str
) -> None:
    await cluster.create("vol")
    ran = await run("publish", "vol", "node-a", "-o", form)
    fields = {"driver": driver, "volume_handle": "vol", "node_id": "node-a", "publish_context": {}, "epoch": 1, "persisted": True}
    assert ran.data.items() >= fields.items()


async def test_a_refused_publish_ends_in_one_line_on_standard_error(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    await run("publish", "vol", "node-a")
    ran = await run("publish", "vol", "node-b")
    assert (ran.code, ran.out) == (ExitCode.REFUSED, "")
    assert ran.err.startswith("Error: Volume vol is held by node node-a")
    assert ran.err.count("\n") == 1


async def test_an_access_mode_is_taken_in_any_case(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    for node in ("node-a", "node-b"):
        assert (await run("publish", "vol", node, "--access-mode", "multi_node_multi_writer", "--readonly")).code == 0


async def test_an_unknown_access_mode_is_a_usage_error_that_lists_them(run: Mooring) -> None:
    ran = await run("publish", "vol", "node-a", "--access-mode", "RWX")
    assert ran.code == ExitCode.USAGE
    assert "MULTI_NODE_MULTI_WRITER" in ran.err


async def test_an_unpublish_releases_the_node(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    await run("publish", "vol", "node-a")
    assert (await run("unpublish", "vol", "node-a", "-o", "json")).data["released"] == ["node-a"]
    assert await cluster.holder("vol") is None


async def test_an_unpublish_from_every_node_has_to_be_said(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    await run("publish", "vol", "node-a")
    assert (await run("unpublish", "vol")).code == ExitCode.USAGE
    assert (await run("unpublish", "vol", "node-a", "--all-nodes")).code == ExitCode.USAGE
    assert (await run("unpublish", "vol", "--all-nodes")).code == ExitCode.OK
    assert await cluster.holder("vol") is None


async def test_a_record_that_could_not_be_cleared_is_a_warning(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    await run("publish", "vol", "node-a")
    cluster.proxy.fail("PATCH", status=400)
    ran = await run("unpublish", "vol", "node-a")
    assert (ran.code, ran.out) == (ExitCode.OK, "")
    assert ran.err.startswith("Warning: Unpublishing volume vol from node node-a is done, but its record could not be cleared")


async def test_a_rebuild_answers_for_every_worker(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    assert (await run("rebuild")).out.startswith("Worker ")
    assert [answer["volumes"] for answer in (await run("rebuild", "-o", "yaml")).data] == [1]
    assert (await run("rebuild", "-o", "json")).form == "mooring.rebuilt/v1"

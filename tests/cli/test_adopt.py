"""`mooring adopt`, on real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from mooring.cli.exit_codes import ExitCode
from tests.cli.conftest import Mooring
from tests.harness.cluster import Cluster
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.workers import indexed, quick, running_worker
from worker import MooringWorker


@pytest.fixture
async def existing(cluster: Cluster, kubernetes: Kubernetes) -> ExistingCluster:
    """A volume that one node has, and one that two have."""
    existing = ExistingCluster(cluster, real=kubernetes.audit is not None)
    await cluster.create("vol")
    await cluster.create("torn")
    await existing.attach("vol", "node-a")
    await existing.attach("torn", "node-a")
    await existing.attach("torn", "node-b")
    return existing


@pytest.fixture
async def worker(temporal_client: Client, cluster: Cluster, existing: ExistingCluster) -> AsyncIterator[MooringWorker]:
    """A worker that adopts nothing by itself."""
    async with running_worker(temporal_client, quick(cluster.driver, adopt=False), cluster.proxy.kubeconfig()) as running:
        yield running


async def test_a_dry_run_shows_what_would_be_done_and_does_nothing(
    existing: ExistingCluster, cluster: Cluster, run: Mooring
) -> None:
    ran = await run("adopt", "--dry-run", TEMPORAL_ADDRESS="127.0.0.1:1")

    assert ran.code == ExitCode.OK
    assert sorted((row["VOLUME"], row["NODE"], row["VERDICT"], row["PV"]) for row in ran.rows) == [
        ("torn", "node-a", "disputed", cluster.pv("torn")),
        ("torn", "node-b", "disputed", cluster.pv("torn")),
        ("vol", "node-a", "adopt", cluster.pv("vol")),
    ]
    assert "Attached and recorded already: 0. Attached and not recorded: 3." in ran.err
    assert ran.err.count("Volume torn is attached to node node-a") == 1
    assert (await cluster.annotations("vol"), cluster.proxy.count("PATCH")) == ({}, 0)


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_a_dry_run_is_for_programs_too(existing: ExistingCluster, run: Mooring, form: str) -> None:
    ran = await run("adopt", "--dry-run", "-o", form)

    found = {finding["volume_attachment"]: finding for finding in ran.data}
    assert {finding["verdict"] for finding in found.values()} == {"adopt", "disputed"}
    assert all(finding["publish_refused"] == (finding["volume_handle"] == "torn") for finding in found.values())


async def test_a_wide_table_says_why(existing: ExistingCluster, run: Mooring) -> None:
    ran = await run("adopt", "--dry-run", "-o", "wide")

    assert "refused" in ran.out
    assert "nothing says which is right" in ran.out


async def test_it_adopts_and_names_what_is_in_doubt(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await indexed(worker, "torn")

    ran = await run("adopt")

    assert ran.code == ExitCode.REFUSED
    assert [row["VERDICT"] for row in ran.rows if row["VOLUME"] == "vol"] == ["adopted"]
    assert "Error: Volume torn is attached to node node-a" in ran.err
    assert (await cluster.holder("vol"), await cluster.holder("torn")) == ("node-a", None)


async def test_what_is_adopted_is_not_shown_again(worker: MooringWorker, run: Mooring) -> None:
    await run("adopt")

    ran = await run("adopt", "--dry-run", "-o", "json")

    assert {finding["volume_handle"] for finding in ran.data} == {"torn"}
    assert "recorded already: 1." in ran.err


async def test_a_cluster_that_has_nothing_attached_has_nothing_to_adopt(run: Mooring) -> None:
    ran = await run("adopt")

    assert (ran.code, ran.out) == (ExitCode.OK, "")


async def test_one_that_no_worker_takes_up_is_told_as_failed(existing: ExistingCluster, run: Mooring) -> None:
    ran = await run("adopt", "--timeout", "1", "-o", "json")

    assert (ran.code, ran.form) == (ExitCode.FAILED, "mooring.finding/v1")
    assert {finding["verdict"] for finding in ran.data} == {"failed", "disputed"}

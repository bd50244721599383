"""SIGTERM drains: work under way may finish within the bound, nothing new is begun, and another worker does the rest."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from mooring.client import MooringClient
from mooring.devstack.ports import free_port
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.patient import pending
from tests.harness.processes import Fleet, backed
from tests.harness.repository import ROOT


async def test_an_attempt_under_way_finishes_within_the_bound(fleet: Fleet, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")
    fleet.journal.hold("published", "vol")
    async with fleet.own(**backed(drain_timeout=20, backend_timeout=30, backend_budget=60)) as worker:
        await worker.ready()
        publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=30))
        await fleet.journal.reached("published", "vol")
        worker.child.process.send_signal(signal.SIGTERM)
        await worker.child.says("drains for at most 20 s")
        fleet.journal.release("published", "vol")

        await worker.child.exits(0)
    await fleet.start(**backed())

    assert (await publish).persisted
    assert fleet.journal.calls("vol") == [("publish", "node-a")]


async def test_no_new_work_is_begun(fleet: Fleet, cluster: Cluster, mooring: MooringClient) -> None:
    await asyncio.gather(cluster.create("old"), cluster.create("new"))
    fleet.journal.hold("publish", "old")
    async with fleet.own(**backed(drain_timeout=20, backend_timeout=30, backend_budget=60)) as worker:
        await worker.ready()
        publish = asyncio.create_task(mooring.publish("old", "node-a", deadline=30))
        await fleet.journal.reached("publish", "old")
        worker.child.process.send_signal(signal.SIGTERM)
        await worker.child.says("drains for at most 20 s")

        await pending(lambda deadline: mooring.publish("new", "node-a", deadline=deadline))
        fleet.journal.release("publish", "old")
        await worker.child.exits(0)
    assert fleet.journal.calls("new") == []
    await fleet.start(**backed())

    assert (await publish).persisted
    assert (await mooring.publish("new", "node-a", deadline=30)).persisted


async def test_an_attempt_that_outlasts_the_bound_is_cancelled_and_made_again_by_another_worker(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    fleet.journal.hold("publish", "vol")
    async with fleet.own(**backed(drain_timeout=0.5, backend_timeout=30, backend_budget=60)) as worker:
        await worker.ready()
        publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=30))
        await fleet.journal.reached("publish", "vol")
        worker.child.process.send_signal(signal.SIGTERM)

        await worker.child.exits(0)
    fleet.journal.release("publish", "vol")
    await fleet.start(**backed())

    assert (await publish).persisted
    assert fleet.journal.calls("vol") == [("publish", "node-a")]


async def test_a_wait_for_a_pv_keeps_no_worker_from_ending(fleet: Fleet, cluster: Cluster, mooring: MooringClient) -> None:
    async with fleet.own(drain_timeout=600) as worker:
        await worker.ready()
        await mooring.publish("vol", "node-a", deadline=30)
        worker.child.process.send_signal(signal.SIGTERM)

        await worker.child.exits(0)
    await cluster.create("vol")
    await fleet.start()

    async with asyncio.timeout(PATIENCE):
        while await cluster.holder("vol") != "node-a":
            await asyncio.sleep(0.05)


async def test_a_worker_that_waits_for_kubernetes_ends_when_it_is_told_to(fleet: Fleet, cluster: Cluster) -> None:
    with cluster.proxy.outage():
        async with fleet.own() as worker:
            await worker.answers(503, "rebuilt")
            worker.child.process.send_signal(signal.SIGTERM)

            await worker.child.exits(0)


async def test_a_worker_that_waits_for_temporal_ends_when_it_is_told_to(fleet: Fleet) -> None:
    fleet.temporal = f"127.0.0.1:{free_port()}"
    async with fleet.own() as worker:
        await worker.answers(503, "Temporal")
        worker.child.process.send_signal(signal.SIGINT)

        await worker.child.exits(0)


async def test_wrong_settings_end_a_worker_with_the_code_that_says_so(fleet: Fleet) -> None:
    async with fleet.own(backend="no.such.module:factory") as worker:
        await worker.child.exits(2)

        assert "The settings are wrong: MOORING_BACKEND=no.such.module:factory names no" in worker.child.last_words()


async def test_a_worker_without_an_api_server_to_go_to_says_so(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "worker.py"),
        env={"KUBECONFIG": str(tmp_path / "missing"), "MOORING_HTTP_ADDRESS": "127.0.0.1:0", "PATH": os.environ["PATH"]},
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await asyncio.wait_for(process.communicate(), PATIENCE)

    assert process.returncode == 2
    assert b"KUBECONFIG" in told
    assert b"Traceback" not in told

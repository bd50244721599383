"""From one version to the next under load: workers of both serve one task queue, and nothing is lost.

The archives beside this file are the sources of released versions; 0.1.0 and the last one are tried.
"""

from __future__ import annotations

import asyncio
import signal
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.evacuation.client import approve, start_evacuation
from mooring.models import Approval, PersistInput, VolumeRef
from mooring.models.evacuation import EvacuateRequest
from mooring.models.reconciliation import ReconcileRequest, ReconcileResult
from mooring.settings import default_task_queue
from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.load import load
from tests.harness.processes import Fleet, OwnChild, WorkerProcess, backed
from tests.harness.records import attachment
from tests.harness.releases import FIRST, LAST, unpacked

VOLUMES = 12
DEADLINE = 60
PATIENTLY: Final = {"publish_budget": 45, "clear_budget": 45}
"""Budgets within the deadline that a busy machine doesn't run into."""


async def _replace(old: WorkerProcess[OwnChild]) -> None:
    old.child.process.send_signal(signal.SIGTERM)
    await old.child.exits(0)


@pytest.mark.parametrize("forth", [True, False], ids=["to-this-version", "and-back"])
@pytest.mark.parametrize("archive", dict.fromkeys((FIRST, LAST)), ids=lambda path: path.name)
async def test_a_rolling_change_of_versions_loses_nothing(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, tmp_path: Path, archive: Path, forth: bool
) -> None:
    other = unpacked(archive, tmp_path / "other") / "worker.py"
    first, second = (other, None) if forth else (None, other)
    settings = backed(**PATIENTLY, at_once=forth or archive != FIRST)  # NB: 0.1.0 can't go on with what was done at once
    handles = [f"vol-{number}" for number in range(VOLUMES)]
    await asyncio.gather(*map(cluster.create, handles))
    async with AsyncExitStack() as stack:
        old = [await stack.enter_async_context(fleet.own(first, **settings)) for _ in range(2)]
        await asyncio.gather(*(each.ready() for each in old))
        async with load(mooring, handles) as moving:
            for each in old:
                new = await stack.enter_async_context(fleet.own(second, **settings))
                await new.ready()
                await _replace(each)
            await moving.goes_on(times=1)

    assert {handle: fleet.journal.attached(handle) for handle in handles} == {
        handle: {node} for handle, node in moving.nodes.items()
    }
    assert {handle: await cluster.holder(handle) for handle in handles} == moving.nodes


async def test_what_the_version_before_does_not_know_is_done_beside_its_workers(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, before: Path, temporal_client: Client
) -> None:
    queue = default_task_queue(cluster.driver)
    await cluster.create("vol")
    async with AsyncExitStack() as stack, asyncio.timeout(DEADLINE):
        for script in (before, None):
            worker = await stack.enter_async_context(fleet.own(script, **backed(**PATIENTLY)))
            await worker.ready()
        await mooring.publish("vol", "node-a", deadline=DEADLINE)

        reconciled: ReconcileResult = await temporal_client.execute_workflow(
            names.RECONCILE,
            ReconcileRequest(driver=cluster.driver),
            id=names.reconcile_id(cluster.driver),
            task_queue=queue,
            result_type=ReconcileResult,
        )
        evacuation = await start_evacuation(temporal_client, queue, EvacuateRequest(driver=cluster.driver, node_id="node-a"))
        await approve(evacuation, Approval(by="ada", reason="it is off"))
        evacuated = await evacuation.result()

    assert (reconciled.state, evacuated.state, evacuated.released) == (State.IN_STEP, State.EVACUATED, 1)
    assert fleet.journal.attached("vol") == set()


async def test_a_hold_that_the_version_before_fails_to_carry_on_is_carried_on_by_this_one(
    fleet: Fleet, cluster: Cluster, before: Path, temporal_client: Client
) -> None:
    waiting = PersistInput(
        volume=VolumeRef(driver=cluster.driver, volume_handle="vol"), attachment=attachment("node-a"), operation=str(uuid.uuid4())
    )
    hold = await temporal_client.start_workflow(
        names.PERSIST,
        waiting,
        id=names.unpersisted_id(waiting.volume),
        task_queue=default_task_queue(cluster.driver),
        task_timeout=names.TASK_TIMEOUT,
        start_signal="settle",
        start_signal_args=[waiting.attachment],
    )
    await cluster.create("vol")
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    async with AsyncExitStack() as stack, asyncio.timeout(DEADLINE):
        async with fleet.own(before, **backed()):
            while not any(event.event_type == failed for event in (await hold.fetch_history()).events):
                await asyncio.sleep(0.1)
        await stack.enter_async_context(fleet.own(None, **backed()))
        await hold.result()

    assert await cluster.holder("vol") == "node-a"


async def test_what_waits_for_operations_waits_out_a_way_back_and_goes_on_with_the_next_new_worker(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, before: Path, temporal_client: Client
) -> None:
    queue = default_task_queue(cluster.driver)
    await asyncio.gather(cluster.create("vol"), cluster.create("other"))
    async with asyncio.timeout(DEADLINE):
        async with fleet.own(**backed()) as new:
            await new.ready()
            await mooring.publish("vol", "node-a", deadline=DEADLINE)
            fleet.journal.hold("unpublish", "vol")
            evacuation = await start_evacuation(temporal_client, queue, EvacuateRequest(driver=cluster.driver, node_id="node-a"))
            await approve(evacuation, Approval(by="ada", reason="it is off"))
            await fleet.journal.reached("unpublish", "vol")
            new.child.process.kill()
            await new.child.process.wait()

        async with fleet.own(before, **backed()) as old:
            await old.ready()
            await mooring.publish("other", "node-b", deadline=DEADLINE)
            await _replace(old)

        async with fleet.own(**backed()) as again:
            await again.ready()
            fleet.journal.release("unpublish", "vol")
            evacuated = await evacuation.result()

    assert (evacuated.state, evacuated.left) == (State.EVACUATED, 0)
    assert (fleet.journal.attached("vol"), fleet.journal.attached("other")) == (set(), {"node-b"})

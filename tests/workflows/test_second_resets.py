"""A hold that an operator resets again, after another run of the same hold had ended, gives nobody the volume."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import BackendFailed, HeldElsewhere
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.holds import Run, ended, hold_of
from tests.harness.patience import PATIENCE
from tests.harness.records import attachment
from tests.harness.resets import FIRST, LAST, reset, tasks_done
from tests.harness.workers import indexed
from worker import MooringWorker


async def reset_once(client: Client, hold: Run) -> Run:
    """Reset an open hold, and return the run that goes on, once it does."""
    again = await reset(client, hold, FIRST, str)
    await begun(again)
    return again


async def held_and_reset(mooring: MooringClient, client: Client, cluster: Cluster) -> tuple[Run, Run]:
    """Have node-a hold the volume without a PV, and the hold reset; return the run that was reset, and the one that goes on."""
    await mooring.publish("vol", "node-a")
    hold = await hold_of(client, cluster)
    return hold, await reset_once(client, hold)


async def begun(run: Run) -> None:
    """Wait until the run has done a workflow task of its own."""
    former = len((await run.fetch_history()).events)
    async with asyncio.timeout(PATIENCE):
        while (await tasks_done(run))[LAST] <= former:
            await asyncio.sleep(0.05)


async def waits_for_an_operation(run: Run) -> None:
    """Wait until a step of the run has found that an operation is open."""
    async with asyncio.timeout(PATIENCE):
        while "is checked again" not in str((await run.describe()).raw_description.pending_activities):
            await asyncio.sleep(0.05)


async def test_a_hold_that_is_reset_again_after_its_node_was_unpublished_is_recorded_on_no_pv(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    hold, _ = await held_and_reset(mooring, temporal_client, cluster)
    assert (await mooring.unpublish("vol", "node-a")).released == ("node-a",)
    await cluster.create("vol")
    await indexed(worker, "vol")

    again = await reset(temporal_client, hold, LAST, str)

    await ended(again)
    assert await cluster.holder("vol") is None


async def test_a_publish_relies_on_no_hold_that_was_reset_again_after_its_node_was_unpublished(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    hold, _ = await held_and_reset(mooring, temporal_client, cluster)
    await mooring.unpublish("vol", "node-a")
    again = await reset(temporal_client, hold, FIRST, str)

    assert (await mooring.publish("vol", "node-b")).node_id == "node-b"

    await ended(again)


async def test_a_hold_that_is_reset_while_its_node_is_unpublished_is_recorded_on_no_pv(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    hold, other = await held_and_reset(mooring, temporal_client, cluster)
    look = cluster.proxy.hold("GET", times=1)
    unpublish = asyncio.create_task(mooring.unpublish("vol", "node-a", deadline=PATIENCE))
    await ended(other)
    await look.reached()
    again = await reset(temporal_client, hold, LAST, str)
    await waits_for_an_operation(again)
    await cluster.create("vol")

    look.release()

    assert (await unpublish).released == ("node-a",)
    await ended(again)
    assert await cluster.holder("vol") is None


async def test_a_hold_that_is_reset_again_after_its_publish_was_rolled_back_gives_nobody_the_volume(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=PATIENCE))
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)
    hold = await hold_of(temporal_client, cluster)
    await hold.signal("settle", attachment("node-a"))
    await reset(temporal_client, hold, FIRST, str)
    backend.publish_errors.append(refusal())
    backend.publish_gate.set()
    with pytest.raises(BackendFailed):
        await publish

    again = await reset(temporal_client, hold, LAST, str)

    await ended(again)


async def test_a_hold_that_is_reset_goes_on_though_another_node_is_unpublished(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    hold = await hold_of(temporal_client, cluster)
    await mooring.unpublish("vol", "node-b")

    await reset_once(temporal_client, hold)

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")


async def test_an_unpublish_ends_a_hold_that_waits_for_it_though_an_operation_that_is_over_had_asked_for_that(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    _, again = await held_and_reset(mooring, temporal_client, cluster)
    await again.cancel(reason=names.asked_by("0f8fad5b-d9cb-469f-a165-70867728950e"))

    assert (await mooring.unpublish("vol", "node-a")).released == ("node-a",)

    assert (await mooring.publish("vol", "node-b")).node_id == "node-b"

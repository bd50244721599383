"""An open hold that an operator resets remains the hold of its publish, which ends it if it fails."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.errors import BackendFailed
from mooring.models import PublishResult
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.holds import Run, ended, hold_of
from tests.harness.patience import PATIENCE
from tests.harness.resets import FIRST, reset, tasks_done
from tests.harness.workers import indexed
from worker import MooringWorker

WAITS_FOR_ITS_WORD = 1
"""The workflow task with which a hold that has asked for its publish begins to wait for its word."""
Publish = asyncio.Task[PublishResult]


@pytest.fixture
async def publish(backed_worker: MooringWorker, mooring: MooringClient, backend: JournalBackend) -> Publish:
    """A publish without a PV to node-a, which waits at the backend."""
    backend.publish_gate = asyncio.Event()
    begun = asyncio.create_task(mooring.publish("vol", "node-a", deadline=PATIENCE))
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)
    return begun


async def reset_its_hold(client: Client, cluster: Cluster) -> Run:
    """Reset the open hold, and return the run that goes on in its place."""
    return await reset(client, await its_hold(client, cluster), FIRST, str)


async def its_hold(client: Client, cluster: Cluster) -> Run:
    """Return the open hold once it waits for the word of its publish."""
    hold = await hold_of(client, cluster)
    async with asyncio.timeout(PATIENCE):
        while len(await tasks_done(hold)) <= WAITS_FOR_ITS_WORD:
            await asyncio.sleep(0.05)
    return hold


async def attach_again(backend: JournalBackend) -> None:
    """Let the backend attach, and wait until it is asked again."""
    first, backend.publish_gate = backend.publish_gate, asyncio.Event()
    backend.entered.clear()
    assert first is not None
    first.set()
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)


def refuse(backend: JournalBackend) -> None:
    """Have the backend refuse the call that waits, though it has attached."""
    backend.publish_errors.append(refusal())
    assert backend.publish_gate is not None
    backend.publish_gate.set()


async def test_a_publish_that_fails_ends_its_hold_though_an_operator_has_reset_it(
    publish: Publish, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    again = await reset_its_hold(temporal_client, cluster)
    await attach_again(backend)
    refuse(backend)

    with pytest.raises(BackendFailed, match="nothing of it is left"):
        await publish

    await ended(again)
    assert ((await mooring.get("vol")).unpersisted, backend.attached["vol"]) == (None, set())


async def test_a_publish_that_fails_takes_back_what_its_hold_has_recorded_after_a_reset(
    publish: Publish,
    backed_worker: MooringWorker,
    cluster: Cluster,
    mooring: MooringClient,
    temporal_client: Client,
    backend: JournalBackend,
) -> None:
    again = await reset_its_hold(temporal_client, cluster)
    by_hold = {cluster.keys.node: "node-a", cluster.keys.epoch: "1", cluster.keys.operation: again.run_id or ""}
    await cluster.create("vol", by_hold)  # NB: a worker of an older version has a hold that was reset not wait for its publish
    await indexed(backed_worker, "vol")
    await attach_again(backend)
    refuse(backend)

    with pytest.raises(BackendFailed, match="nothing of it is left"):
        await publish

    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


@pytest.mark.parametrize("terminated", [True, False], ids=["without its hold", "beside its hold"])
@pytest.mark.parametrize("said", [{"epoch": "4", "operation": "by hand"}, {"epoch": "4"}, {}], ids=str)
async def test_a_publish_leaves_a_record_whose_writer_is_no_run_of_temporal(
    publish: Publish,
    backed_worker: MooringWorker,
    cluster: Cluster,
    temporal_client: Client,
    backend: JournalBackend,
    said: dict[str, str],
    terminated: bool,
) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", **{getattr(cluster.keys, name): text for name, text in said.items()}})
    await indexed(backed_worker, "vol")
    backend.attached["vol"] = {"node-a"}  # by whoever wrote that
    if terminated:
        await (await hold_of(temporal_client, cluster)).terminate("an operator lost patience")
        await attach_again(backend)
    refuse(backend)

    with pytest.raises(BackendFailed):
        await publish

    assert (await cluster.holder("vol"), backend.attached["vol"]) == ("node-a", {"node-a"})


async def test_a_publish_that_goes_on_succeeds_on_its_hold_though_an_operator_has_reset_it(
    publish: Publish, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    await reset_its_hold(temporal_client, cluster)
    await attach_again(backend)
    assert backend.publish_gate is not None
    backend.publish_gate.set()

    assert (await publish).node_id == "node-a"
    await cluster.create("vol")
    async with asyncio.timeout(PATIENCE):
        while await cluster.holder("vol") != "node-a":
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("task", [FIRST, WAITS_FOR_ITS_WORD])
async def test_a_hold_that_had_ended_before_its_publish_did_ends_again_after_a_reset(
    publish: Publish, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend, task: int
) -> None:
    hold = await its_hold(temporal_client, cluster)
    await hold.cancel()
    await ended(hold)
    await attach_again(backend)
    assert backend.publish_gate is not None
    backend.publish_gate.set()
    await publish
    await mooring.unpublish("vol", "node-a")

    again = await reset(temporal_client, hold, task, str)

    assert "not needed" in str(await asyncio.wait_for(again.result(), PATIENCE))

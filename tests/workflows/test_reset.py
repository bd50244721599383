"""Terminate and reset in the Temporal UI: a run that begins again from the middle of its history."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from mooring.client import MooringClient
from mooring.errors import BackendFailed, HeldElsewhere
from mooring.models import PublishResult, UnpublishRequest, UnpublishResult
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.holds import hold_of
from tests.harness.patience import PATIENCE
from tests.harness.resets import FIRST, last_run, reset
from worker import MooringWorker

AFTER_ITS_LOOK = 1
"""The workflow task in which a publish whose first task was begun before has looked at the volume."""
HELD = -4
"""The workflow task in which a publish without a PV has the backend attach."""


async def test_a_publish_reset_after_it_was_recorded_claims_the_record_anew(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    first = await mooring.publish("vol", "node-a")

    again = await reset(temporal_client, await last_run(temporal_client, cluster, "vol"), -1, PublishResult)
    result = await asyncio.wait_for(again.result(), PATIENCE)

    assert isinstance(result, PublishResult)
    assert (result.epoch, result.attached_at) == (first.epoch + 1, first.attached_at)
    assert (await cluster.annotations("vol"))[cluster.keys.operation] == again.run_id


async def test_a_publish_reset_after_a_later_unpublish_is_a_publish_again(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    published = await last_run(temporal_client, cluster, "vol")
    await mooring.unpublish("vol", "node-a")

    again = await reset(temporal_client, published, -1, PublishResult)
    await asyncio.wait_for(again.result(), PATIENCE)

    assert (await cluster.holder("vol"), await cluster.epoch("vol")) == ("node-a", 3)


async def test_an_unpublish_reset_to_its_beginning_is_an_unpublish_again(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await mooring.unpublish("vol", "node-a")

    again = await reset(temporal_client, await last_run(temporal_client, cluster, "vol"), 0, UnpublishResult)
    await asyncio.wait_for(again.result(), PATIENCE)

    assert await cluster.holder("vol") is None


async def test_a_publish_reset_in_the_middle_of_its_rollback_rolls_back_to_the_end(
    backed_worker: MooringWorker, cluster: Cluster, temporal_client: Client, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.publish_errors.append(refusal())
    held = cluster.proxy.hold("PATCH", times=1, when=lambda request: b'"value":"2"' in request.body.replace(b" ", b""))
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await held.reached()

    again = await reset(temporal_client, await last_run(temporal_client, cluster, "vol"), -1, PublishResult)
    await asyncio.wait([asyncio.create_task(again.result())], timeout=PATIENCE)
    held.release()
    await asyncio.wait([publish], timeout=PATIENCE)

    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())
    assert backed_worker.manager.list_attachments() == []


@pytest.mark.parametrize("task", [-1, -2, -3])
async def test_a_publish_without_a_pv_reset_after_another_node_has_the_volume_leaves_it_there(
    backed_worker: MooringWorker,
    cluster: Cluster,
    mooring: MooringClient,
    temporal_client: Client,
    backend: JournalBackend,
    task: int,
) -> None:
    await mooring.publish("vol", "node-a")
    published = await last_run(temporal_client, cluster, "vol")
    await mooring.unpublish("vol", "node-a")
    await mooring.publish("vol", "node-b")

    again = await reset(temporal_client, published, task, PublishResult)
    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for(again.result(), PATIENCE)

    status = await mooring.get("vol")
    assert status.unpersisted is not None
    assert (status.unpersisted.node_id, backend.attached["vol"]) == ("node-b", {"node-b"})


async def test_a_publish_reset_at_the_end_of_its_rollback_ends(
    backed_worker: MooringWorker, cluster: Cluster, temporal_client: Client, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.publish_errors.append(refusal())
    with pytest.raises(BackendFailed):
        await mooring.publish("vol", "node-a")

    again = await reset(temporal_client, await last_run(temporal_client, cluster, "vol"), -1, PublishResult)
    with pytest.raises(WorkflowFailureError, match="failed"):
        await asyncio.wait_for(again.result(), PATIENCE)

    assert (await cluster.holder("vol"), backend.attached.get("vol", set())) == (None, set())


async def test_a_publish_that_was_refused_is_not_refused_again_by_what_its_former_self_saw(
    worker: MooringWorker, cluster: Cluster, temporal_client: Client, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-b")
    with pytest.raises(HeldElsewhere):
        await mooring.publish("vol", "node-a")
    refused = await last_run(temporal_client, cluster, "vol")
    await mooring.unpublish("vol", "node-b")

    again = await reset(temporal_client, refused, -1, PublishResult)
    await asyncio.wait_for(again.result(), PATIENCE)

    assert await cluster.holder("vol") == "node-a"


async def test_an_unpublish_that_found_no_pv_looks_again_after_a_reset(
    worker: MooringWorker, cluster: Cluster, temporal_client: Client, mooring: MooringClient
) -> None:
    await mooring.unpublish("vol", "node-a")
    found_none = await last_run(temporal_client, cluster, "vol")
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")

    again = await reset(temporal_client, found_none, -1, UnpublishResult)
    await asyncio.wait_for(again.result(), PATIENCE)

    assert await cluster.holder("vol") is None


@pytest.mark.parametrize("asked", [{"stray": True}, {"at_epoch": 2}], ids=["stray", "at-epoch"])
async def test_an_unpublish_that_left_all_as_it_was_looks_again_after_a_reset(
    worker: MooringWorker, cluster: Cluster, temporal_client: Client, mooring: MooringClient, asked: dict[str, Any]
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    request = UnpublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-a", **asked)
    left = await mooring.request_unpublish(request)
    assert "changed nothing" in left.message
    run = await last_run(temporal_client, cluster, "vol")
    await mooring.unpublish("vol", "node-a")

    again = await reset(temporal_client, run, -1, UnpublishResult)
    result = await asyncio.wait_for(again.result(), PATIENCE)

    assert isinstance(result, UnpublishResult)
    assert "changed nothing" not in result.message


async def test_a_publish_without_a_pv_that_is_reset_and_cancelled_keeps_what_its_former_self_has_reported(
    backed_worker: MooringWorker, cluster: Cluster, temporal_client: Client, mooring: MooringClient, backend: JournalBackend
) -> None:
    await mooring.publish("vol", "node-a")
    published = await last_run(temporal_client, cluster, "vol")
    backend.publish_gate = asyncio.Event()
    backend.entered.clear()

    again = await reset(temporal_client, published, HELD, PublishResult)
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)
    await again.cancel()
    backend.publish_gate.set()
    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for(again.result(), PATIENCE)

    status = await mooring.get("vol")
    assert status.unpersisted is not None
    assert (status.unpersisted.node_id, backend.attached["vol"]) == ("node-a", {"node-a"})


@pytest.mark.parametrize("task", [0, -1, -2])
async def test_an_unpublish_without_a_pv_takes_after_a_reset_what_was_published_meanwhile(
    backed_worker: MooringWorker,
    cluster: Cluster,
    temporal_client: Client,
    mooring: MooringClient,
    backend: JournalBackend,
    task: int,
) -> None:
    await mooring.unpublish("vol", "node-a")
    found_none = await last_run(temporal_client, cluster, "vol")
    await mooring.publish("vol", "node-a")

    again = await reset(temporal_client, found_none, task, UnpublishResult)
    await asyncio.wait_for(again.result(), PATIENCE)

    status = await mooring.get("vol")
    assert (status.unpersisted, backend.attached["vol"]) == (None, set())


async def test_a_publish_that_is_reset_twice_attaches_nothing_on_a_look_of_its_former_self(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    first = await last_run(temporal_client, cluster, "vol")
    await mooring.unpublish("vol", "node-a")
    once = await reset(temporal_client, first, FIRST, PublishResult)
    await once.result()
    await mooring.unpublish("vol", "node-a")
    await mooring.publish("vol", "node-b")
    await (await hold_of(temporal_client, cluster)).terminate("an operator lost patience")

    twice = await reset(temporal_client, once, AFTER_ITS_LOOK, PublishResult)

    with pytest.raises(WorkflowFailureError) as failed:
        await asyncio.wait_for(twice.result(), PATIENCE)
    assert "node-b" in str(failed.value.cause)

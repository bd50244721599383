"""An undisturbed operation is one workflow task, two with a backend; what isn't done at once becomes a visible step."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.faults import Hold
from mooring.errors import HeldElsewhere, KubernetesForbidden, NodeNotFound
from mooring.models import PublishResult, UnpublishRequest, UnpublishResult
from mooring.names import ATTACHMENT_STATE
from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.processes import Fleet
from tests.harness.resets import Run, last_run
from tests.harness.workers import indexed, quick, running_worker
from worker import MooringWorker

TASK = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
SHOWN = EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
STEP = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


async def events(client: Client, cluster: Cluster) -> Counter[EventType.ValueType]:
    """Return how often each kind of event is in the history of the volume's last run."""
    run = await last_run(client, cluster, "vol")
    return Counter(event.event_type for event in (await run.fetch_history()).events)


async def pending(run: Run) -> list[str]:
    """Return the steps that the run shows as under way."""
    return [step.activity_type.name for step in (await run.describe()).raw_description.pending_activities]


async def shows(client: Client, cluster: Cluster, step: str) -> Run:
    """Wait until the volume's run shows this step, and return the run."""
    async with asyncio.timeout(PATIENCE):
        while step not in await pending(await last_run(client, cluster, "vol")):
            await asyncio.sleep(0.05)
    return await last_run(client, cluster, "vol")


def bound(cluster: Cluster, epoch: int) -> UnpublishRequest:
    """Return the request of an evacuation of node-a that has listed the volume at this epoch."""
    return UnpublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-a", at_epoch=epoch)


async def killed_in_mid_write(fleet: Fleet, cluster: Cluster, mooring: MooringClient) -> tuple[asyncio.Task[PublishResult], Hold]:
    """Have a worker die while its write hangs, in the first task of a publish to node-a; return the publish, and the write."""
    await cluster.create("vol")
    held = cluster.proxy.hold("PATCH", times=1)
    async with fleet.own() as worker:
        await worker.ready()
        publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=PATIENCE))
        await held.reached()
        worker.child.process.kill()
        await worker.child.process.wait()
    return publish, held


@pytest.mark.parametrize("operation", ["publish", "unpublish"])
async def test_without_a_backend_it_is_one_task(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, operation: str
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    await mooring.publish("vol", "node-a")
    if operation == "unpublish":
        await mooring.unpublish("vol", "node-a")

    seen = await events(temporal_client, cluster)

    assert (seen[TASK], seen[STEP], seen[SHOWN]) == (1, 0, 1)
    assert seen.total() == 7


async def test_with_a_backend_it_is_two_tasks(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(backed_worker, "vol")
    await mooring.publish("vol", "node-a")
    published = await events(temporal_client, cluster)
    await mooring.unpublish("vol", "node-a")
    unpublished = await events(temporal_client, cluster)

    assert [(seen[TASK], seen[STEP], seen[SHOWN]) for seen in (published, unpublished)] == [(2, 1, 2), (2, 1, 2)]
    assert max(published.total(), unpublished.total()) <= 16


async def test_a_release_that_is_bound_to_an_epoch_is_one_task_too(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    epoch = (await mooring.publish("vol", "node-a")).epoch
    result = await mooring.request_unpublish(bound(cluster, epoch))

    seen = await events(temporal_client, cluster)

    assert (result.released, seen[TASK], seen[STEP]) == (("node-a",), 1, 0)


async def test_with_a_backend_it_looks_first(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(backed_worker, "vol")
    epoch = (await mooring.publish("vol", "node-a")).epoch
    result = await mooring.request_unpublish(bound(cluster, epoch))

    seen = await events(temporal_client, cluster)

    assert (result.released, seen[TASK], seen[STEP]) == (("node-a",), 3, 2)


async def test_a_write_that_hangs_becomes_a_visible_step(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    held = cluster.proxy.hold("PATCH", times=2)
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await held.reached()

    run = await shows(temporal_client, cluster, "record_attachment")

    assert (await run.describe()).search_attributes[ATTACHMENT_STATE] == [State.PUBLISHING]
    held.release()
    assert (await publish).epoch == await cluster.epoch("vol") == 1


async def test_a_final_no_to_the_one_attempt_leaves_nothing_to_roll_back(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    cluster.proxy.fail("PATCH", status=403, times=1)

    with pytest.raises(KubernetesForbidden, match="nothing of it was written"):
        await mooring.publish("vol", "node-a")

    assert (await events(temporal_client, cluster))[TASK] == 1
    assert await cluster.epoch("vol") == 0


async def test_a_final_no_after_an_attempt_that_hangs_is_rolled_back(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    held = cluster.proxy.hold("PATCH", times=1)
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await held.reached()
    cluster.proxy.fail("PATCH", status=403, times=1)

    with pytest.raises(KubernetesForbidden, match="rolled back"):
        await publish
    held.release()
    assert await held.landed() == 422

    assert (await cluster.holder("vol"), await cluster.epoch("vol")) == (None, 1)


async def test_a_renewal_is_a_visible_step(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    await mooring.publish("vol", "node-a")
    await mooring.publish("vol", "node-a")

    seen = await events(temporal_client, cluster)

    assert (seen[TASK], seen[STEP]) == (2, 1)


async def test_what_a_killed_worker_had_under_way_is_carried_on_by_the_next(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient
) -> None:
    publish, held = await killed_in_mid_write(fleet, cluster, mooring)
    async with fleet.own() as worker:
        await worker.ready()
        result = await publish
        held.release()

        assert await held.landed() == 422
        with pytest.raises(HeldElsewhere):
            await mooring.publish("vol", "node-b", deadline=PATIENCE)
    assert (result.epoch, await cluster.holder("vol")) == (1, "node-a")


async def test_what_a_killed_worker_had_under_way_is_fenced_off_before_a_refusal(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient
) -> None:
    publish, held = await killed_in_mid_write(fleet, cluster, mooring)
    async with fleet.own(node_check="csinode") as worker:  # to which no node is known
        await worker.ready()
        with pytest.raises(NodeNotFound, match="rolled back"):
            await publish
        held.release()
        assert await held.landed() == 422
    assert await cluster.holder("vol") is None


async def released_by_a_worker_that_dies(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, *, at: int | None
) -> UnpublishResult:
    """Have a worker die after its release has reached the API server, bound to the epoch `at` if any; return the answer."""
    await cluster.create("vol")
    async with fleet.own() as worker:
        await worker.ready()
        await mooring.publish("vol", "node-a", deadline=PATIENCE)
        held = cluster.proxy.hold("PATCH", times=1)
        asked = bound(cluster, at) if at else UnpublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-a")
        unpublish = asyncio.create_task(mooring.request_unpublish(asked, deadline=PATIENCE))
        await held.reached()
        worker.child.process.kill()
        await worker.child.process.wait()
    held.release()
    assert await held.landed() == 200
    async with fleet.own() as worker:
        await worker.ready()
        return await unpublish


async def test_an_unpublish_that_forgot_its_release_does_not_say_that_nothing_was_attached(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient
) -> None:
    result = await released_by_a_worker_that_dies(fleet, cluster, mooring, at=None)

    assert "what was attached is not known" in result.message
    assert (result.released, await cluster.holder("vol")) == ((), None)


async def test_one_that_was_bound_to_an_epoch_knows_what_was_attached_then(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient
) -> None:
    result = await released_by_a_worker_that_dies(fleet, cluster, mooring, at=1)

    assert (result.released, result.annotation_cleared, await cluster.holder("vol")) == (("node-a",), True, None)


async def test_a_write_that_the_end_of_its_worker_cuts_off_is_carried_on_by_the_next(
    temporal_client: Client, driver: str, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    held = cluster.proxy.hold("PATCH", times=1)
    async with running_worker(temporal_client, quick(driver, drain_timeout=0.1), cluster.proxy.kubeconfig()) as worker:
        await indexed(worker, "vol")
        publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=PATIENCE))
        await held.reached()
    async with running_worker(temporal_client, quick(driver), cluster.proxy.kubeconfig()):
        result = await publish
    held.release()

    assert (result.epoch, await cluster.holder("vol"), await held.landed()) == (1, "node-a", 422)

"""A publish that fails, is cancelled, or is overtaken: nothing of it remains."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowHandle

from mooring import names
from mooring.client import MooringClient
from mooring.errors import BackendFailed, BackendUncertain, KubernetesForbidden, KubernetesUnavailable, OperationCancelled
from mooring.models import PublishRequest, VolumeRef
from tests.harness.backend import JournalBackend, refusal
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import indexed, quick, running_worker, until
from worker import MooringWorker


async def test_a_backend_that_refuses_is_rolled_back(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.publish_errors.append(refusal("the array is full"))

    with pytest.raises(BackendFailed, match=r"vol to node node-a failed; it is rolled back.*the array is full"):
        await mooring.publish("vol", "node-a")

    assert (await cluster.holder("vol"), await cluster.epoch("vol")) == (None, 2)
    assert backed_worker.manager.list_attachments() == []


async def test_a_backend_that_attached_and_did_not_say_so_is_made_to_detach(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.apply_before_error = True
    backend.publish_errors += [BackendUncertain("no answer")] * 100

    with pytest.raises(BackendUncertain):
        await mooring.publish("vol", "node-a")

    assert backend.attached["vol"] == set()
    assert await cluster.holder("vol") is None


async def test_a_rollback_goes_on_until_the_backend_detaches(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.publish_errors.append(refusal())
    backend.unpublish_errors += [refusal("still busy")] * 3

    with pytest.raises(BackendFailed):
        await mooring.publish("vol", "node-a")

    assert backend.journal == [("unpublish", "vol", "node-a", 1)]


async def test_a_failed_republish_leaves_the_attachment_that_was_there(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    backend.publish_errors.append(refusal())

    with pytest.raises(BackendFailed):
        await mooring.publish("vol", "node-a")

    assert await cluster.holder("vol") == "node-a"
    assert backend.attached["vol"] == {"node-a"}


async def test_no_ghost_after_a_failed_persist(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")
    outage = cluster.proxy.fail("PATCH", status=500, message="etcd is down")
    publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=30))
    await asyncio.sleep(8)
    outage.stop()

    with pytest.raises(KubernetesUnavailable, match="etcd is down"):
        await publish

    assert worker.manager.list_attachments() == []
    assert (await cluster.holder("vol"), await cluster.epoch("vol")) == (None, 1)


async def test_a_refusal_for_want_of_rights_is_told_at_once(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    cluster.proxy.fail("PATCH", status=403, message="may not patch")

    with pytest.raises(KubernetesForbidden, match=r"may not patch.* Grant the account named above"):
        await mooring.publish("vol", "node-a")

    assert worker.manager.list_attachments() == []


async def test_a_lost_answer_is_recognised(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")
    cluster.proxy.lose_answer("PATCH", times=1)

    result = await mooring.publish("vol", "node-a")

    assert (result.epoch, result.reclaimed, await cluster.epoch("vol")) == (1, False, 1)


async def test_a_straggler_changes_nothing(worker: MooringWorker, cluster: Cluster, mooring: MooringClient) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    held = cluster.proxy.hold("PATCH", times=1)
    await mooring.publish("vol", "node-a")  # the first attempt hangs at the API server, a later one lands
    await mooring.unpublish("vol", "node-a")

    held.release()
    assert await held.landed() == 422

    assert await cluster.holder("vol") is None


async def test_a_straggler_of_a_failed_publish_changes_nothing(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    held = cluster.proxy.hold("PATCH", times=1)
    outage = cluster.proxy.fail("PATCH", status=500)
    publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=30))
    await asyncio.sleep(8)
    outage.stop()
    with pytest.raises(KubernetesUnavailable):
        await publish

    held.release()
    assert await held.landed() == 422

    assert (await cluster.holder("vol"), await cluster.epoch("vol")) == (None, 1)


async def started(client: Client, cluster: Cluster, handle: str, node: str) -> WorkflowHandle[object, object]:
    """Start a publish, to be cancelled in the UI."""
    asked = PublishRequest(driver=cluster.driver, volume_handle=handle, node_id=node)
    run: WorkflowHandle[object, object] = await client.start_workflow(
        names.PUBLISH, asked, id=names.volume_id(asked), task_queue=f"mooring-{cluster.driver}", task_timeout=timedelta(seconds=5)
    )
    return run


async def cancelled(run: WorkflowHandle[object, object]) -> str:
    """Cancel the run, as the UI would, and return how it ended."""
    await run.cancel()
    return await outcome(run)


async def outcome(run: WorkflowHandle[object, object]) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await run.result()
    except Exception as error:
        cause = error.__cause__
        return getattr(cause, "type", None) or type(cause).__name__
    return "done"


async def test_cancelled_while_it_looks_it_leaves_nothing(worker: MooringWorker, cluster: Cluster, temporal_client: Client) -> None:
    await cluster.create("vol")
    cluster.proxy.drop("WATCH")
    cluster.proxy.cut_watches()
    await cluster.create("late")
    held = cluster.proxy.hold("GET", times=1)
    run = await started(temporal_client, cluster, "late", "node-a")
    await held.reached()

    assert await cancelled(run) == "CancelledError"

    assert (await cluster.holder("late"), await cluster.epoch("late")) == (None, 1)


async def test_cancelled_while_it_records_it_leaves_nothing(
    worker: MooringWorker, cluster: Cluster, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    held = cluster.proxy.hold("PATCH", times=1)
    run = await started(temporal_client, cluster, "vol", "node-a")
    await held.reached()

    assert await cancelled(run) == "CancelledError"
    held.release()
    assert await held.landed() == 422

    assert await cluster.holder("vol") is None
    assert worker.manager.list_attachments() == []


async def test_cancelled_just_before_its_record_lands_it_leaves_nothing(
    worker: MooringWorker, cluster: Cluster, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    held = cluster.proxy.hold("PATCH", times=1)
    run = await started(temporal_client, cluster, "vol", "node-a")
    await held.reached()
    await run.cancel()
    held.release()

    assert await outcome(run) == "CancelledError"

    assert await cluster.holder("vol") is None


async def test_cancelled_while_the_backend_attaches_it_leaves_nothing(
    backed_worker: MooringWorker, cluster: Cluster, temporal_client: Client, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.publish_gate = asyncio.Event()
    run = await started(temporal_client, cluster, "vol", "node-a")
    await backend.entered.wait()

    assert await cancelled(run) == "CancelledError"

    assert await cluster.holder("vol") is None
    assert backend.attached["vol"] == set()


async def test_cancelled_while_it_rolls_back_it_rolls_back_to_the_end(
    backed_worker: MooringWorker, cluster: Cluster, temporal_client: Client, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.publish_errors.append(refusal())
    held = cluster.proxy.hold("PATCH", times=1, when=lambda request: b'"value":"2"' in request.body.replace(b" ", b""))
    run = await started(temporal_client, cluster, "vol", "node-a")
    await held.reached()
    await run.cancel()
    held.release()

    assert await outcome(run) == "BackendFailed"

    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


async def test_an_unpublish_of_what_is_being_published_cancels_it(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.publish_gate = asyncio.Event()
    publish = asyncio.create_task(mooring.publish("vol", "node-a"))
    await backend.entered.wait()

    result = await mooring.unpublish("vol", "node-a")

    with pytest.raises(OperationCancelled):
        await publish
    assert result.annotation_cleared
    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


async def test_terminated_while_it_records_it_is_settled_by_the_unpublish_that_follows(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    await indexed(worker, "vol")
    held = cluster.proxy.hold("PATCH", times=1)
    run = await started(temporal_client, cluster, "vol", "node-a")
    await held.reached()
    await run.terminate("an operator lost patience")

    await mooring.unpublish("vol", "node-a")
    held.release()
    assert await held.landed() == 422

    assert await cluster.holder("vol") is None
    assert names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol")) == run.id


@pytest.mark.parametrize("context", [{"lun": 3}, "x", {"a": None}, {"a": "b" * 300_000}])
async def test_a_backend_with_an_unfit_publish_context_is_rolled_back(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, backend: JournalBackend, context: object
) -> None:
    await cluster.create("vol")
    backend.context = context  # type: ignore[assignment]

    with pytest.raises(BackendFailed, match="publish context"):
        await mooring.publish("vol", "node-a")

    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


async def test_cancelled_while_it_keeps_the_publish_context_it_leaves_nothing(
    backed_worker: MooringWorker, cluster: Cluster, temporal_client: Client, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    held = cluster.proxy.hold("PATCH", times=1, when=lambda request: b"/dev/sdx" in request.body)
    run = await started(temporal_client, cluster, "vol", "node-a")
    await held.reached()

    assert await cancelled(run) == "CancelledError"
    held.release()
    assert await held.landed() == 422

    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


async def test_cancelled_while_the_backend_attaches_without_a_pv_it_leaves_nothing(
    backed_worker: MooringWorker, cluster: Cluster, temporal_client: Client, backend: JournalBackend, mooring: MooringClient
) -> None:
    backend.publish_gate = asyncio.Event()
    run = await started(temporal_client, cluster, "vol", "node-a")
    await backend.entered.wait()

    assert await cancelled(run) == "CancelledError"

    assert backend.attached["vol"] == set()
    assert (await mooring.get("vol")).unpersisted is None


async def test_a_backend_that_gives_no_answer_in_time_is_told_as_such(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.publish_gate = asyncio.Event()
    hasty = quick(cluster.driver, backend_timeout=0.5, backend_budget=1.2)
    async with running_worker(temporal_client, hasty, cluster.proxy.kubeconfig(), backend):
        with pytest.raises(BackendUncertain, match=r"vol to node node-a failed; it is rolled back.*TIMEOUT|timeout|timed out"):
            await mooring.publish("vol", "node-a", deadline=30)

    assert await cluster.holder("vol") is None


async def test_a_rollback_that_is_cancelled_has_the_backend_detach_all_the_same(
    backed_worker: MooringWorker, cluster: Cluster, temporal_client: Client, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    backend.apply_before_error = True
    backend.publish_errors.append(refusal())
    backend.unpublish_errors += [refusal("still busy")] * 1000
    run = await started(temporal_client, cluster, "vol", "node-a")
    await until(lambda: len(backend.unpublish_errors) < 1000)
    await run.cancel()
    await cancel_is_heeded(run)
    backend.unpublish_errors.clear()

    assert await outcome(run) == "BackendFailed"

    assert (await cluster.holder("vol"), backend.attached["vol"]) == (None, set())


async def cancel_is_heeded(run: WorkflowHandle[object, object]) -> None:
    """Wait until the workflow has had a task since it was asked to stop."""
    async with asyncio.timeout(PATIENCE):
        while True:
            events = (await run.fetch_history()).events
            asked = [
                place
                for place, event in enumerate(events)
                if event.HasField("workflow_execution_cancel_requested_event_attributes")
            ]
            if asked and any(event.HasField("workflow_task_completed_event_attributes") for event in events[asked[0] :]):
                return
            await asyncio.sleep(0.05)

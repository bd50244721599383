"""A publish that was reset to a moment before its attach or after it, which is undone or has been undone since."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client, WorkflowFailureError

from mooring.client import MooringClient
from mooring.devstack.faults import Hold
from mooring.errors import BackendFailedPrecondition
from mooring.models import PublishResult
from tests.harness.array import Array, Turn
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.patient import patient
from tests.harness.resets import LAST, Run, last_run, reset
from tests.harness.workers import indexed, running_worker, until
from worker import MooringWorker

ACQUIRED = 1
"""The workflow task in which a publish is told that its acquisition has landed, if that is not made at once."""
ATTACHED = 1
"""The workflow task in which a publish that has acquired at once is told that the backend has attached."""
ATTACHED_WITHOUT_PV = -3
"""The same of a publish without a PV, of which more tasks differ before it than after it."""
SETTLED_WITHOUT_PV = -2
"""The task after that, in which it is told that its hold has its word, and asks whether that is still open."""


def undoing(cluster: Cluster, backend: JournalBackend) -> Hold:
    """Have the API server take no publish context, and hold back what a publish writes once its attach is undone."""
    device = backend.context["device"].encode()
    cluster.proxy.fail("PATCH", status=400, times=1, when=lambda request: device in request.body)
    return cluster.proxy.hold("PATCH", times=1, when=lambda _: "unpublish" in [verb for verb, *_ in backend.journal])


async def terminated(client: Client, cluster: Cluster, caller: asyncio.Task[object]) -> Run:
    """Terminate the operation under way, and return its run once its caller knows."""
    run = await last_run(client, cluster, "vol")
    await run.terminate("an operator lost patience")
    await asyncio.wait([caller], timeout=PATIENCE)
    return run


async def test_a_publish_reset_before_its_attach_attaches_on_no_claim_that_was_rolled_back(
    cluster: Cluster, temporal_client: Client, mooring: MooringClient, backend: JournalBackend
) -> None:
    settings = patient(cluster.driver, backend="in:tests", at_once=False)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), backend) as worker:
        await cluster.create("vol")
        await indexed(worker, "vol")
        backend.publish_errors.append(BackendFailedPrecondition("not now"))
        with pytest.raises(BackendFailedPrecondition):
            await mooring.publish("vol", "node-a")
        rolled_back = await last_run(temporal_client, cluster, "vol")
        await mooring.publish("vol", "node-b")
        backend.tokens.highest.clear()  # as if the attach to node-b hung

        again = await reset(temporal_client, rolled_back, ACQUIRED, PublishResult)
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(again.result(), PATIENCE)

        assert (await cluster.holder("vol"), [call.node_id for call in backend.calls]) == ("node-b", ["node-b"])


async def test_a_publish_that_is_reset_to_after_its_attach_attaches_again_what_its_rollback_had_detached(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, backend: JournalBackend
) -> None:
    await cluster.create("vol")
    held = undoing(cluster, backend)
    caller: asyncio.Task[object] = asyncio.create_task(mooring.publish("vol", "node-a"))
    await held.reached()
    run = await terminated(temporal_client, cluster, caller)

    again = await reset(temporal_client, run, ATTACHED, PublishResult)
    await asyncio.wait_for(again.result(), PATIENCE)

    held.release()
    assert (await cluster.holder("vol"), backend.attached["vol"]) == ("node-a", {"node-a"})


@pytest.mark.parametrize("task", [ATTACHED_WITHOUT_PV, SETTLED_WITHOUT_PV], ids=["attached", "settled"])
async def test_a_publish_without_a_pv_that_is_reset_to_after_its_attach_attaches_again_what_an_unpublish_had_detached(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, task: int
) -> None:
    array = Array()
    array.turns["unpublish", "vol"].append(Turn.HANGS)
    settings = patient(cluster.driver, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), array):
        await mooring.publish("vol", "node-a")
        published = await last_run(temporal_client, cluster, "vol")
        caller: asyncio.Task[object] = asyncio.create_task(mooring.unpublish("vol", "node-a"))
        await until(lambda: bool(array.kept["vol"]))
        await terminated(temporal_client, cluster, caller)
        array.land("vol")
        assert array.attached["vol"] == set()

        again = await reset(temporal_client, published, task, PublishResult)
        await asyncio.wait_for(again.result(), PATIENCE)

        assert array.attached["vol"] == {"node-a"}


async def test_a_publish_that_is_reset_in_its_rollback_detaches_the_node_that_it_takes_out_of_the_record(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    array = Array()
    array.turns["unpublish", "vol"].append(Turn.HANGS)
    settings = patient(cluster.driver, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), array) as worker:
        await cluster.create("vol")
        await indexed(worker, "vol")
        cluster.proxy.fail("PATCH", status=400, times=1, when=lambda request: b"/dev/sdx" in request.body)
        caller = asyncio.create_task(mooring.publish("vol", "node-a"))
        caller.add_done_callback(lambda done: done.cancelled() or done.exception())
        await until(lambda: bool(array.kept["vol"]))

        again = await reset(temporal_client, await last_run(temporal_client, cluster, "vol"), LAST, PublishResult)
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(again.result(), PATIENCE)

    assert (await cluster.holder("vol"), array.attached["vol"]) == (None, set())

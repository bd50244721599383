"""A run that was reset and is stopped before it has looked, or at its first attempt: its former self's steps under way are dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from mooring.client import MooringClient
from mooring.devstack.faults import Hold, ProxiedRequest
from mooring.errors import BackendFailedPrecondition
from mooring.models import AdoptRequest, PublishResult
from tests.harness.array import Array, Turn
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.patient import patient
from tests.harness.records import attachment
from tests.harness.resets import FIRST, Run, last_run, reset, tasks_done
from tests.harness.workers import indexed, running_worker, until


def begun(verb: str, mooring: MooringClient, driver: str) -> Coroutine[Any, Any, PublishResult]:
    """Begin an operation that makes node-a a holder."""
    if verb == "publish":
        return mooring.publish("vol", "node-a")
    held = attachment("node-a", None)
    asked = AdoptRequest(driver=driver, volume_handle="vol", attachment=held, epoch=0, volume_attachment="csi-1")
    return mooring.adopt(asked, deadline=PATIENCE)


def by_another(run: Run) -> Callable[[ProxiedRequest], bool]:
    """Return whether a request is none of this run's."""
    return lambda request: (run.run_id or "").encode() not in request.body


async def acquiring(client: Client, cluster: Cluster, operation: Coroutine[Any, Any, PublishResult]) -> tuple[Run, Hold]:
    """Return the run of an operation whose acquisition hangs at the API server, and that acquisition."""
    held = cluster.proxy.hold("PATCH", times=1)
    caller = asyncio.create_task(operation)
    caller.add_done_callback(lambda done: done.cancelled() or done.exception())
    await held.reached()
    return await last_run(client, cluster, "vol"), held


@pytest.mark.parametrize("verb", ["publish", "adopt"])
async def test_one_that_may_not_write_says_that_it_failed_once_no_claim_of_its_former_self_can_land(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, verb: str
) -> None:
    async with running_worker(temporal_client, patient(cluster.driver, at_once=False), cluster.proxy.kubeconfig()) as worker:
        await cluster.create("vol")
        await indexed(worker, "vol")
        run, held = await acquiring(temporal_client, cluster, begun(verb, mooring, cluster.driver))
        cluster.proxy.fail("PATCH", status=403, times=1, when=by_another(run))

        again = await reset(temporal_client, run, FIRST, PublishResult)
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(again.result(), PATIENCE)

        held.release()
        assert (await held.landed(), await cluster.holder("vol")) == (422, None)


@pytest.mark.parametrize("verb", ["publish", "adopt"])
async def test_one_that_is_cancelled_before_its_first_look_ends_once_no_claim_of_its_former_self_can_land(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, verb: str
) -> None:
    async with running_worker(temporal_client, patient(cluster.driver, at_once=False), cluster.proxy.kubeconfig()) as worker:
        await cluster.create("vol")
        await indexed(worker, "vol")
        run, held = await acquiring(temporal_client, cluster, begun(verb, mooring, cluster.driver))
    again = await reset(temporal_client, run, FIRST, PublishResult)
    await again.cancel()

    async with running_worker(temporal_client, patient(cluster.driver, at_once=False), cluster.proxy.kubeconfig()):
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(again.result(), PATIENCE)

    held.release()
    assert (await held.landed(), await cluster.holder("vol")) == (422, None)


async def test_one_that_asks_again_where_its_former_self_was_cancelled_attaches_nothing_after_the_rollback_of_that(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    array = Array()
    array.first["vol", "node-a"] = until_cancelled
    array.turns["publish", "vol"].append(Turn.REFUSED)
    settings = patient(cluster.driver, backend="in:tests")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig(), array):
        await cluster.create("vol")
        caller = asyncio.create_task(mooring.publish("vol", "node-a"))
        await until(lambda: not array.first)
        publish = await last_run(temporal_client, cluster, "vol")
        attaching = len(await tasks_done(publish))
        await publish.cancel()
        with pytest.raises(BackendFailedPrecondition):
            await caller

        again = await reset(temporal_client, publish, attaching, PublishResult)
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(again.result(), PATIENCE)

    assert (array.attached["vol"], await cluster.holder("vol")) == (set(), None)


async def until_cancelled() -> None:
    """Wait for the cancellation, and go on as if there had been none."""
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()

"""The drift guard, and what an operator's approval lets through."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError

from mooring import names
from mooring.client import MooringClient
from mooring.models import Approval
from mooring.models.reconciliation import Progress
from mooring.states import State
from tests.harness.cluster import Cluster
from tests.harness.details import SINCE, details
from tests.harness.existing_cluster import ExistingCluster
from tests.harness.patience import PATIENCE
from tests.harness.workers import indexed, running_worker
from tests.reconciliation.conftest import Begin, found, settling

APPROVAL = Approval(by="jo", reason="the volumes were moved by hand")


@pytest.fixture
async def guarded(temporal_client: Client, cluster: Cluster, existing: ExistingCluster, driver: str) -> AsyncIterator[None]:
    """A worker that heals one drift at most, and two volumes that are attached and not recorded."""
    settings = settling(driver, drift_guard=1, approval_wait=60)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()) as worker:
        for volume in ("one", "two"):
            await cluster.create(volume)
            await indexed(worker, volume)
            await existing.attach(volume, "node-a")
        yield


async def awaiting(run: WorkflowHandle[Any, Any]) -> Progress:
    """Return the run's progress once it waits for an approval."""
    async with asyncio.timeout(PATIENCE):
        while True:
            progress: Progress = await run.query(names.PROGRESS, result_type=Progress)
            if progress.state is State.AWAITING_APPROVAL:
                return progress
            await asyncio.sleep(0.05)


async def approve(run: WorkflowHandle[Any, Any], approval: Any = APPROVAL) -> str:
    return str(await run.execute_update(names.APPROVE, approval))


async def refusal(run: WorkflowHandle[Any, Any], approval: Any = APPROVAL) -> str | None:
    """Return the failure type of an approval that is refused."""
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await approve(run, approval)
    assert isinstance(refused.value.cause, ApplicationError)
    return refused.value.cause.type


async def test_more_heals_than_the_guard_lets_through_wait_for_an_approval(guarded: None, cluster: Cluster, begin: Begin) -> None:
    run = await begin()

    progress = await awaiting(run)
    shown = (await run.describe()).search_attributes[names.ATTACHMENT_STATE]

    assert (progress.due, len(progress.drifts), shown) == (2, 2, [State.AWAITING_APPROVAL])
    assert (await cluster.holder("one"), await cluster.holder("two")) == (None, None)
    await run.terminate()


async def test_the_ui_shows_what_waits_for_an_approval_since_when_and_how_many_heals_are_let_through(
    guarded: None, begin: Begin, driver: str
) -> None:
    run = await begin()

    shown = await details(run, "approval")
    await run.terminate()

    assert re.search(f"{SINCE}.*approval", shown)
    assert all(each in shown for each in ("2 heals", driver, "MOORING_DRIFT_GUARD lets 1 ", "`mooring approve reconcile"))


async def test_the_ui_shows_the_look_that_a_reconciliation_waits_for(guarded: None, cluster: Cluster, begin: Begin) -> None:
    held = cluster.proxy.hold("GET", times=1)
    run = await begin()

    assert re.search(f"{SINCE}.*look for drift", await details(run, "look for drift"))
    held.stop()
    await run.terminate()


async def test_an_approval_lets_them_be_made_and_stays_in_the_result(guarded: None, cluster: Cluster, begin: Begin) -> None:
    run = await begin()
    await awaiting(run)

    assert "jo" in await approve(run)
    result = await run.result()

    assert found(result) == [("volume_attachment_without_holder", volume, "node-a", "healed") for volume in ("one", "two")]
    assert (result.state, result.approval) == (State.HEALED, APPROVAL)


async def test_what_has_settled_meanwhile_is_not_healed(
    guarded: None, cluster: Cluster, mooring: MooringClient, begin: Begin
) -> None:
    run = await begin()
    await awaiting(run)
    await mooring.publish("one", "node-a")

    await approve(run)

    assert found(await run.result()) == [("volume_attachment_without_holder", "two", "node-a", "healed")]


async def test_an_approval_that_says_nothing_is_refused(guarded: None, begin: Begin) -> None:
    run = await begin()
    await awaiting(run)

    with pytest.raises(WorkflowUpdateFailedError):
        await approve(run, {"by": "jo", "reason": " "})

    assert (await awaiting(run)).due == 2
    await run.terminate()


async def test_a_second_approval_is_refused(guarded: None, cluster: Cluster, begin: Begin) -> None:
    run = await begin()
    await awaiting(run)
    held = cluster.proxy.hold("GET", times=1)
    await approve(run)

    assert await refusal(run) == "NothingToApprove"
    held.release()
    await run.result()


async def test_one_that_is_cancelled_while_it_waits_heals_nothing(guarded: None, cluster: Cluster, begin: Begin) -> None:
    run = await begin()
    await awaiting(run)

    await run.cancel()
    with pytest.raises(WorkflowFailureError) as ended:
        await run.result()

    assert isinstance(ended.value.cause, CancelledError)
    assert await cluster.holder("one") is None


async def test_without_an_approval_nothing_is_healed(
    temporal_client: Client, cluster: Cluster, existing: ExistingCluster, driver: str, begin: Begin
) -> None:
    settings = settling(driver, drift_guard=0, approval_wait=0.2)
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()) as worker:
        await cluster.create("vol")
        await indexed(worker, "vol")
        await existing.attach("vol", "node-a")

        result = await (await begin()).result()

    assert (result.state, found(result)) == (State.DRIFTED, [("volume_attachment_without_holder", "vol", "node-a", "left")])
    assert "nobody has approved" in result.message


async def test_where_healing_is_off_all_is_reported_and_nothing_waits(
    temporal_client: Client, cluster: Cluster, existing: ExistingCluster, driver: str, begin: Begin
) -> None:
    settings = settling(driver, drift_guard=0, heal="off")
    async with running_worker(temporal_client, settings, cluster.proxy.kubeconfig()) as worker:
        await cluster.create("vol")
        await indexed(worker, "vol")
        await existing.attach("vol", "node-a")

        result = await (await begin()).result()

    assert (result.state, found(result)) == (State.DRIFTED, [("volume_attachment_without_holder", "vol", "node-a", "left")])

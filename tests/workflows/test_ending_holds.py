"""A hold ends for an operation that is open, or for an operator, and for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import (
    CancelWorkflowInput,
    Client,
    DescribeWorkflowInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowExecutionDescription,
)
from temporalio.testing import ActivityEnvironment

from activities.unpersisted import UnpersistedActivities
from mooring import names
from mooring.client import MooringClient
from mooring.errors import HeldElsewhere, MooringError
from mooring.models import RunRef
from tests.harness.cluster import Cluster
from tests.harness.holds import Run, ended, hold_of, operation_of, volume
from tests.harness.patience import PATIENCE
from tests.harness.resets import FIRST, reset, tasks_done
from tests.harness.workers import quick, running_worker
from worker import MooringWorker

NOBODY = "0f8fad5b-d9cb-469f-a165-70867728950e"
"""An operation that Temporal doesn't know."""


class Straggling(Interceptor):
    """A way to Temporal that keeps requests to cancel under way until it lets them through, whoever has given them up."""

    def __init__(self) -> None:
        self.keeps = True
        self.under_way = asyncio.Event()
        self._let_through = asyncio.Event()
        self._sent: list[asyncio.Task[None]] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        """Return the way through this one."""
        straggling = self

        class Way(OutboundInterceptor):
            async def cancel_workflow(self, input: CancelWorkflowInput) -> None:  # noqa: A002
                await straggling.carry(super().cancel_workflow(input))

        return Way(next)

    async def carry(self, request: Any) -> None:
        """Send the request, late if it is to be kept."""
        sent = asyncio.create_task(self._send(request, late=self.keeps))
        self._sent.append(sent)
        await asyncio.shield(sent)

    async def _send(self, request: Any, *, late: bool) -> None:
        if late:
            self.under_way.set()
            await self._let_through.wait()
        await request

    async def let_through(self) -> None:
        """Let what is under way arrive."""
        self.keeps = False
        self._let_through.set()
        await asyncio.wait_for(asyncio.gather(*self._sent), PATIENCE)


@pytest.fixture
async def straggling() -> Straggling:
    return Straggling()


@pytest.fixture
async def slow_worker(
    temporal_client: Client, cluster: Cluster, driver: str, straggling: Straggling
) -> AsyncIterator[MooringWorker]:
    """A ready worker whose requests to cancel may straggle."""
    config = temporal_client.config()
    config["interceptors"] = [straggling]
    async with running_worker(Client(**config), quick(driver), cluster.proxy.kubeconfig()) as running:
        yield running


async def asked_to_end_too_late(cluster: Cluster, mooring: MooringClient, temporal_client: Client, straggling: Straggling) -> None:
    """Publish the volume to node-a, terminate an unpublish, publish it there again, and let that unpublish's request arrive."""
    await mooring.publish("vol", "node-a")
    hold = await hold_of(temporal_client, cluster)
    unpublish = asyncio.create_task(mooring.unpublish("vol", "node-a"))
    await straggling.under_way.wait()
    await (await operation_of(temporal_client, cluster)).terminate("an operator lost patience")
    with pytest.raises(MooringError):
        await unpublish
    await mooring.publish("vol", "node-a")
    await straggling.let_through()
    await ended(hold)


async def test_the_late_word_of_an_unpublish_that_is_over_does_not_end_the_hold_of_a_later_publish(
    slow_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, straggling: Straggling
) -> None:
    await asked_to_end_too_late(cluster, mooring, temporal_client, straggling)

    with pytest.raises(HeldElsewhere, match="node-a"):
        await mooring.publish("vol", "node-b")
    await cluster.create("vol")
    async with asyncio.timeout(PATIENCE):
        while await cluster.holder("vol") != "node-a":
            await asyncio.sleep(0.05)


async def test_a_hold_that_went_on_for_want_of_a_living_asker_ends_for_the_next_unpublish(
    slow_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, straggling: Straggling
) -> None:
    await asked_to_end_too_late(cluster, mooring, temporal_client, straggling)

    assert (await mooring.unpublish("vol", "node-a")).released == ("node-a",)

    assert (await mooring.publish("vol", "node-b")).node_id == "node-b"


async def a_hold_that_is_over(cluster: Cluster, mooring: MooringClient, client: Client) -> Run:
    """Have a hold end by recording its node, and the node unpublished; return the hold."""
    await mooring.publish("vol", "node-a")
    hold = await hold_of(client, cluster)
    await cluster.create("vol")
    await ended(hold)
    await mooring.unpublish("vol", "node-a")
    return hold


async def test_a_hold_that_is_reset_after_it_had_ended_gives_nobody_the_volume(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    hold = await a_hold_that_is_over(cluster, mooring, temporal_client)

    again = await reset(temporal_client, hold, FIRST, str)

    await ended(again)
    assert await cluster.holder("vol") is None
    assert (await mooring.publish("vol", "node-b")).epoch == 3


async def test_a_publish_relies_on_no_hold_that_was_reset_after_it_had_ended(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    hold = await hold_of(temporal_client, cluster)
    await mooring.unpublish("vol", "node-a")
    again = await reset(temporal_client, hold, FIRST, str)

    assert (await mooring.publish("vol", "node-b")).node_id == "node-b"

    await ended(again)
    with pytest.raises(HeldElsewhere, match="node-b"):
        await mooring.publish("vol", "node-a")


async def test_a_publish_relies_on_no_hold_that_was_reset_twice_after_it_had_ended(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    hold = await a_hold_that_is_over(cluster, mooring, temporal_client)
    await mooring.publish("vol", "node-b")
    once = await reset(temporal_client, hold, FIRST, str)
    async with asyncio.timeout(PATIENCE):
        while not await tasks_done(once):
            await asyncio.sleep(0.05)
    twice = await reset(temporal_client, once, FIRST, str)

    with pytest.raises(HeldElsewhere, match="node-b"):
        await mooring.publish("vol", "node-a")

    await ended(twice)
    assert await cluster.holder("vol") == "node-b"


async def gone_on(cluster: Cluster, client: Client) -> Run:
    """Have the hold go on in another run, and return the run that it was."""
    hold = await hold_of(client, cluster)
    await hold.cancel(reason=names.asked_by(NOBODY))
    await ended(hold)
    return hold


async def test_a_hold_that_is_reset_to_before_it_went_on_in_one_that_has_ended_gives_nobody_the_volume(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    hold = await gone_on(cluster, temporal_client)
    await cluster.create("vol")
    await ended(await hold_of(temporal_client, cluster))
    assert (await mooring.unpublish("vol", "node-a")).annotation_cleared

    again = await reset(temporal_client, hold, FIRST, str)

    await ended(again)
    await ended(await hold_of(temporal_client, cluster))
    assert await cluster.holder("vol") is None


async def test_a_hold_that_is_over_does_not_go_on_for_want_of_a_living_asker(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    hold = await a_hold_that_is_over(cluster, mooring, temporal_client)
    again = await reset(temporal_client, hold, FIRST, str)
    await again.cancel(reason=names.asked_by(NOBODY))
    await ended(again)

    await ended(await hold_of(temporal_client, cluster))

    assert await cluster.holder("vol") is None


class Unsaid(Interceptor):
    """A way to a server that reports no run's `first_run_id`."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        """Return the way through this one."""

        class Way(OutboundInterceptor):
            async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:  # noqa: A002
                found = await super().describe_workflow(input)
                found.raw_description.workflow_execution_info.first_run_id = ""
                return found

        return Way(next)


async def test_a_late_attempt_to_drop_a_hold_leaves_the_next_one_alone_though_the_server_does_not_say_where_they_go_back_to(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await mooring.publish("vol", "node-a")
    former = await hold_of(temporal_client, cluster)
    await mooring.unpublish("vol", "node-a")
    await mooring.publish("vol", "node-b")
    config = temporal_client.config()
    config["interceptors"] = [Unsaid()]
    activities = UnpersistedActivities(
        Client(**config), worker.manager, worker.context.clientset.volumes, worker.context.evidence, waits=1
    )

    await ActivityEnvironment().run(activities.drop, RunRef(volume=volume(cluster), run_id=former.run_id or ""))

    with pytest.raises(HeldElsewhere, match="node-b"):
        await mooring.publish("vol", "node-a")


async def test_an_unpublish_ends_a_hold_that_was_reset_while_it_was_being_ended(
    slow_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, straggling: Straggling
) -> None:
    await mooring.publish("vol", "node-a")
    hold = await hold_of(temporal_client, cluster)
    unpublish = asyncio.create_task(mooring.unpublish("vol", "node-a"))
    await straggling.under_way.wait()
    await reset(temporal_client, hold, -1, str)
    await straggling.let_through()

    assert (await unpublish).released == ("node-a",)
    assert (await mooring.publish("vol", "node-b")).node_id == "node-b"

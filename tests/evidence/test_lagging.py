"""Visibility that lags: a node in doubt for the sake of a run that is not listed yet is free once it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from temporalio.client import Interceptor, OutboundInterceptor

from mooring.errors import Disputed
from tests.harness.departed_volumes import delete_seen

if TYPE_CHECKING:
    from temporalio.client import Client, ListWorkflowsInput, WorkflowExecutionAsyncIterator

    from mooring.client import MooringClient
    from tests.evidence.conftest import Serving
    from tests.harness.cluster import Cluster

NEVER = 3600
"""Seconds between two looks of the worker itself."""


class Lagging(Interceptor, OutboundInterceptor):
    """A way to a Temporal whose visibility lists no run that began since a moment, while there is such a moment."""

    def __init__(self) -> None:
        """Begin without the next interceptor, which is known only once a client is made."""
        self._since: datetime | None = None

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        OutboundInterceptor.__init__(self, next)
        return self

    def lag(self) -> None:
        """List nothing that begins from now on."""
        self._since = datetime.now(UTC)

    def catch_up(self) -> None:
        """List all."""
        self._since = None

    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:  # noqa: A002 - the SDK's name
        if self._since is not None:
            input = replace(input, query=f"({input.query}) AND StartTime < '{self._since.isoformat()}'")  # noqa: A001
        return super().list_workflows(input)


async def refused(mooring: MooringClient, times: int) -> None:
    """Have node-b refused for node-a."""
    for _ in range(times):
        with pytest.raises(Disputed, match=r"node node-a.*mooring unpublish vol node-a"):
            await mooring.publish("vol", "node-b")


@pytest.mark.parametrize("times", [1, 3])
async def test_an_unpublish_that_a_refused_publish_did_not_know_of_counts_once_it_is_listed(
    serving: Serving, cluster: Cluster, mooring: MooringClient, times: int
) -> None:
    lagging = Lagging()
    await cluster.create("vol")
    async with serving():
        await mooring.publish("vol", "node-a")
    await cluster.delete("vol")
    async with serving(None, lagging):
        lagging.lag()
        await mooring.unpublish("vol", "node-a")
        await refused(mooring, times)
        lagging.catch_up()

        assert not (await mooring.publish("vol", "node-b")).persisted


async def test_a_holder_stays_that_was_published_again_after_the_unpublish(
    serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    async with serving():
        await mooring.publish("vol", "node-a")
        await mooring.unpublish("vol", "node-a")
        await mooring.publish("vol", "node-a")
    await cluster.delete("vol")
    async with serving():
        await refused(mooring, 3)


async def test_a_look_at_a_pv_that_went_heeds_an_unpublish_that_is_listed_late(
    serving: Serving, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    lagging = Lagging()
    async with serving(None, lagging, adopt_interval=NEVER) as worker:
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
        await delete_seen(worker, cluster, "vol")
        lagging.lag()
        await mooring.unpublish("vol", "node-a")
        [departure] = [worker.manager.departures.get("vol")]
        assert departure is not None
        departure.released.clear()  # as in a worker that did not carry out the unpublish
        worker.manager.departures._settled.pop("vol", None)
        worker.manager.departures._open["vol"] = departure
        await refused(mooring, 1)
        await worker.context.evidence.settle()
        assert worker.manager.departures.open()
        lagging.catch_up()

        await worker.context.evidence.settle()

        assert not worker.manager.departures.open()

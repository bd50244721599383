"""The holders of PVs that went are looked into again and again, and cost little while nothing changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from temporalio.client import Interceptor, OutboundInterceptor
from temporalio.service import RPCError, RPCStatusCode

from mooring import names
from mooring.errors import Disputed, TemporalUnavailable, UnreadableHistory
from mooring.evidence.evidence import MAX_CONCURRENT
from mooring.models import VolumeRef
from tests.harness.departed_volumes import delete_seen
from tests.harness.unreadable import end_unreadably
from tests.harness.workers import until

if TYPE_CHECKING:
    from temporalio.client import (
        Client,
        DescribeWorkflowInput,
        FetchWorkflowHistoryEventsInput,
        WorkflowExecutionDescription,
        WorkflowHistoryEventAsyncIterator,
    )

    from mooring.client import MooringClient
    from tests.evidence.conftest import Serving
    from tests.harness.cluster import Cluster
    from worker import MooringWorker

MANY = 25
NEVER = 3600
"""Seconds between two looks of the worker itself."""


class Watching(Interceptor, OutboundInterceptor):
    """A way to Temporal that counts what is asked of each workflow id, and may fail for some of them."""

    def __init__(self) -> None:
        """Begin without the next interceptor, which is known only once a client is made."""
        self.asked: Counter[str] = Counter()
        self.read: Counter[str] = Counter()
        self.broken: set[str] = set()
        self.most = self._now = 0

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        OutboundInterceptor.__init__(self, next)
        return self

    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:  # noqa: A002
        self.asked[input.id] += 1
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(0.01)  # so that others get as far as this
            if input.id in self.broken:
                raise RPCError("out of order", RPCStatusCode.INTERNAL, b"")
            return await super().describe_workflow(input)
        finally:
            self._now -= 1

    def fetch_workflow_history_events(self, input: FetchWorkflowHistoryEventsInput) -> WorkflowHistoryEventAsyncIterator:  # noqa: A002
        self.read[input.id] += 1
        return super().fetch_workflow_history_events(input)


async def gone(cluster: Cluster, worker: MooringWorker, *handles: str) -> None:
    """Have PVs go that record node-a, without an epoch."""
    for handle in handles:
        await cluster.create(handle, {cluster.keys.node: "node-a"})
    await until(lambda: all(worker.manager.pv_name(handle) for handle in handles))
    for handle in handles:
        await cluster.delete(handle)
    await until(lambda: len(worker.manager.departures) == len(handles))


def run_id(cluster: Cluster, handle: str) -> str:
    return names.volume_id(VolumeRef(driver=cluster.driver, volume_handle=handle))


async def test_only_some_are_looked_into_at_once(serving: Serving, cluster: Cluster) -> None:
    watching = Watching()
    async with serving(None, watching, adopt_interval=NEVER) as worker:
        await gone(cluster, worker, *(f"vol-{number}" for number in range(MANY)))
        watching.most = 0

        await worker.context.evidence.settle()

        assert (len(watching.asked), watching.most) == (MANY, MAX_CONCURRENT)


async def test_one_that_can_not_be_asked_about_keeps_none_of_the_others(serving: Serving, cluster: Cluster) -> None:
    watching = Watching()
    async with serving(None, watching, adopt_interval=NEVER) as worker:
        await gone(cluster, worker, "vol-1", "vol-2")
        watching.broken.add(run_id(cluster, "vol-1"))

        with pytest.raises(TemporalUnavailable, match="vol-1"):
            await worker.context.evidence.settle()

        assert watching.asked[run_id(cluster, "vol-2")] == 1


async def test_an_operation_is_read_once(serving: Serving, cluster: Cluster, mooring: MooringClient) -> None:
    watching = Watching()
    async with serving(None, watching, adopt_interval=NEVER) as worker:
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
        await delete_seen(worker, cluster, "vol")

        async def reads() -> int:
            before = watching.read[run_id(cluster, "vol")]
            await worker.context.evidence.settle()
            return watching.read[run_id(cluster, "vol")] - before

        assert [await reads() > 0, await reads(), await reads()] == [True, 0, 0]
        with pytest.raises(Disputed):
            await mooring.publish("vol", "node-b")
        assert [await reads() > 0, await reads()] == [True, 0]


async def test_an_unpublish_is_heeded_though_the_operation_before_it_has_been(
    serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    async with serving(adopt_interval=NEVER) as worker:
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
        await delete_seen(worker, cluster, "vol")
        await worker.context.evidence.settle()
        [departure] = worker.manager.departures.open()
        await mooring.unpublish("vol", "node-a")
        departure.released.clear()  # as in a worker that did not carry out the unpublish
        worker.manager.departures._open["vol"] = departure

        await worker.context.evidence.settle()

        assert not worker.manager.departures.open()


async def test_a_history_that_can_not_be_read_is_told_and_keeps_none_of_the_others(
    serving: Serving, cluster: Cluster, mooring: MooringClient, temporal_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    watching = Watching()
    async with serving(None, watching, adopt_interval=NEVER) as worker:
        await gone(cluster, worker, "vol-1", "vol-2")
        run = await end_unreadably(temporal_client, run_id(cluster, "vol-1"))

        await worker.context.evidence.settle()

        assert f"Run {run} of {run_id(cluster, 'vol-1')} can't be read (KeyError: " in caplog.text
        assert watching.asked[run_id(cluster, "vol-2")] == 1


async def test_what_hangs_on_a_history_that_can_not_be_read_says_which_and_detaches(
    serving: Serving, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    async with serving(adopt_interval=NEVER) as worker:
        await gone(cluster, worker, "vol")
        run = await end_unreadably(temporal_client, run_id(cluster, "vol"))

        with pytest.raises(UnreadableHistory, match=f"Run {run} of .*Give every worker the payload codec"):
            await mooring.publish("vol", "node-b")
        assert not (await mooring.unpublish("vol", "node-a")).annotation_cleared

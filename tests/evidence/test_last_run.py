"""The newest operation that knew a volume's holders is found, however many that knew nothing followed it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn
from uuid import uuid4

import pytest
from temporalio.client import Client, Interceptor, OutboundInterceptor, WorkflowExecutionAsyncIterator

from mooring import names
from mooring.errors import Contended, Disputed, NodeNotFound
from mooring.models import AdoptRequest, Attachment, UnpublishRequest, VolumeRef
from mooring.temporal.runs import describe
from tests.harness.holds import ended, hold_of
from tests.harness.patience import PATIENCE
from tests.harness.workers import indexed, until

if TYPE_CHECKING:
    from temporalio.client import ListWorkflowsInput

    from mooring.client import MooringClient
    from tests.evidence.conftest import Serving
    from tests.harness.cluster import Cluster
    from tests.harness.existing_cluster import ExistingCluster

FRUITLESS = 40


class Unanswered(WorkflowExecutionAsyncIterator):
    """A list of runs that never arrives."""

    def __init__(self) -> None:
        """Ask nothing."""

    async def __anext__(self) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError


class NoVisibility(Interceptor, OutboundInterceptor):
    """A way to a Temporal whose visibility does not answer."""

    def __init__(self) -> None:
        """Begin without the next interceptor, which is known only once a client is made."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        OutboundInterceptor.__init__(self, next)
        return self

    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:  # noqa: A002, ARG002 - the SDK's name
        return Unanswered()


async def waits_for(client: Client, volume: VolumeRef) -> set[str]:
    """Return the types of the activities that the volume's operation is waiting for, once there are any."""
    async with asyncio.timeout(PATIENCE):
        while True:
            run = await describe(client, names.volume_id(volume))
            pending = run.raw_description.pending_activities if run else ()
            if pending:
                return {step.activity_type.name for step in pending}
            await asyncio.sleep(0.05)


async def test_any_number_of_refusals_before_a_look_hides_no_holder(
    serving: Serving, cluster: Cluster, mooring: MooringClient, existing: ExistingCluster
) -> None:
    async with AsyncExitStack() as first:
        await first.enter_async_context(serving())
        await cluster.create("vol")
        await mooring.publish("vol", "node-a")
    await cluster.delete("vol")
    await cluster.create("vol")
    async with serving(node_check="csinode"):
        for _ in range(FRUITLESS):
            with pytest.raises(NodeNotFound):
                await mooring.publish("vol", "node-b")
        await existing.register("node-b")

        with pytest.raises(Disputed, match=r"node node-a.*mooring unpublish vol node-a"):
            await mooring.publish("vol", "node-b")


async def test_an_operation_shows_what_it_waits_for_while_visibility_does_not_answer(
    serving: Serving, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    await cluster.create("vol")
    async with serving(None, NoVisibility()) as worker:
        await indexed(worker, "vol")
        publishing = asyncio.create_task(mooring.publish("vol", "node-a"))

        assert await waits_for(temporal_client, VolumeRef(driver=cluster.driver, volume_handle="vol")) == {"look_at_volume"}

        publishing.cancel()


async def test_an_unpublish_ends_within_its_bound_while_visibility_does_not_answer(
    serving: Serving, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    async with serving(None, NoVisibility()) as worker:
        await indexed(worker, "vol")

        assert not (await mooring.unpublish("vol", "node-a")).annotation_cleared


@pytest.mark.parametrize("later", [False, True], ids=["a worker that saw it", "a worker of later"])
async def test_an_unpublish_that_looked_at_nothing_is_no_last_word_on_another_node(
    serving: Serving, cluster: Cluster, mooring: MooringClient, later: bool
) -> None:
    bound = UnpublishRequest(driver=cluster.driver, volume_handle="vol", node_id="node-b", at_run=str(uuid4()))
    await cluster.create("vol")
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(serving())
        await mooring.publish("vol", "node-a")
        if later:
            await stack.aclose()
        await cluster.delete("vol")
        if later:
            await stack.enter_async_context(serving())
        else:
            await until(lambda: worker.manager.pv_name("vol") is None)
        assert (await mooring.request_unpublish(bound)).released == ()

        with pytest.raises(Disputed, match=r"node node-a.*mooring unpublish vol node-a"):
            await mooring.publish("vol", "node-b")


async def test_an_adoption_that_was_refused_for_a_hold_is_no_last_word_on_its_node(
    serving: Serving, cluster: Cluster, mooring: MooringClient, temporal_client: Client
) -> None:
    held = Attachment(node_id="node-a", attached_at=datetime.now(UTC), access_mode=None)
    asked = AdoptRequest(driver=cluster.driver, volume_handle="vol", attachment=held, epoch=0, volume_attachment="csi-1")
    async with serving():
        await mooring.publish("vol", "node-a")
        writes = cluster.proxy.fail("PATCH", path="/persistentvolumes/", status=503)
        await cluster.create("vol")
        with pytest.raises(Contended):
            await mooring.adopt(asked)
        writes.stop()
        await ended(await hold_of(temporal_client, cluster))
        assert await cluster.holder("vol") == "node-a"
    await cluster.delete("vol")
    await cluster.create("vol")

    async with serving():
        with pytest.raises(Disputed, match=r"node node-a.*mooring unpublish vol node-a"):
            await mooring.publish("vol", "node-b")

"""A publish without a PV whose hold is asked to end, and has not ended yet, when the backend has attached."""

from __future__ import annotations

import asyncio

from temporalio.client import Client, DescribeWorkflowInput, Interceptor, OutboundInterceptor, WorkflowExecutionDescription

from mooring import names
from mooring.client import MooringClient
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.holds import Run, hold_of, operation_of
from tests.harness.patience import PATIENCE
from tests.harness.patient import patient
from tests.harness.workers import running_worker

NOBODY = "0f8fad5b-d9cb-469f-a165-70867728950e"
"""An operation that Temporal doesn't know."""


class Silent(Interceptor):
    """A way to Temporal that doesn't say what has become of that operation before it `speaks`."""

    def __init__(self) -> None:
        self.speaks = asyncio.Event()
        self.asked = asyncio.Event()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        """Return the way through this one."""
        silent = self

        class Way(OutboundInterceptor):
            async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:  # noqa: A002
                if input.run_id == NOBODY:
                    silent.asked.set()
                    await silent.speaks.wait()
                return await super().describe_workflow(input)

        return Way(next)


async def begins(run: Run, step: str) -> None:
    """Wait until the open run has begun this step."""
    async with asyncio.timeout(PATIENCE):
        while True:
            events = (await run.fetch_history()).events
            begun = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
            if step in begun:
                return
            assert not any(event.HasField("workflow_execution_completed_event_attributes") for event in events)
            await asyncio.sleep(0.05)


async def test_it_does_not_succeed_before_that_is_over(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient, backend: JournalBackend
) -> None:
    silent = Silent()
    config = temporal_client.config()
    config["interceptors"] = [silent]
    backend.publish_gate = asyncio.Event()
    settings = patient(cluster.driver, backend="in:tests")
    async with running_worker(Client(**config), settings, cluster.proxy.kubeconfig(), backend):
        publish = asyncio.create_task(mooring.publish("vol", "node-a"))
        await backend.entered.wait()
        hold = await hold_of(temporal_client, cluster)
        await hold.cancel(reason=names.asked_by(NOBODY))
        await asyncio.wait_for(silent.asked.wait(), PATIENCE)

        backend.publish_gate.set()
        await begins(await operation_of(temporal_client, cluster), "outwait_unpersisted")
        silent.speaks.set()

        assert not (await publish).persisted
        assert backend.attached["vol"] == {"node-a"}

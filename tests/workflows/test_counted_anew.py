"""An attempt that is called the first although others were before it: an operator has reset the activity, e.g. in the UI."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import ResetActivityRequest
from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import BackendFailedPrecondition, BackendUncertain
from mooring.models import BackendCall, VolumeRef
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.workers import quick, running_worker, until

PAUSED_AFTER = 5
"""Attempts after which the next one is some seconds away."""


@dataclass(slots=True)
class _Refuses(JournalBackend):
    """A backend that attaches without reporting it, as often as it is asked; then it refuses, as one with nothing to undo does."""

    attempts: int = 0
    refuses: bool = False

    async def publish(self, call: BackendCall) -> dict[str, str]:
        self.attempts += 1
        if self.refuses:
            raise BackendFailedPrecondition("not like this")
        await JournalBackend.publish(self, call)
        raise BackendUncertain("no answer")


async def test_an_attach_that_is_refused_by_the_first_attempt_after_a_reset_is_undone(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    backend = _Refuses()
    patient = quick(cluster.driver, retry_interval_max=20, backend_budget=60)
    async with running_worker(temporal_client, patient, cluster.proxy.kubeconfig(), backend):
        publish = asyncio.create_task(mooring.publish("vol", "node-a", deadline=60))
        await until(lambda: backend.attempts == PAUSED_AFTER)
        backend.refuses = True
        await _reset_waiting_activity(temporal_client, names.volume_id(VolumeRef(driver=cluster.driver, volume_handle="vol")))
        with pytest.raises(BackendFailedPrecondition, match="not like this"):
            await publish

    assert (await cluster.holder("vol"), backend.attached) == (None, {"vol": set()})


async def _reset_waiting_activity(client: Client, workflow_id: str) -> None:
    """Reset the one activity of the run, between two attempts of it."""
    while True:
        run = await client.get_workflow_handle(workflow_id).describe()
        (pending,) = run.raw_description.pending_activities
        if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED:
            break
        await asyncio.sleep(0.02)
    await client.workflow_service.reset_activity(
        ResetActivityRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run.run_id),
            id=pending.activity_id,
            identity="an operator",
        )
    )

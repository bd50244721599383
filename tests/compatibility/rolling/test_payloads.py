"""A worker of the version before understands whatever one of this version may hand it."""

from __future__ import annotations

import json
from typing import Any

from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.models import VolumeRef
from tests.harness.cluster import Cluster
from worker import MooringWorker

BACKEND_CALL = {"volume", "node_id", "epoch", "access_mode", "readonly"}
"""The fields that 0.1.0 knows: it refuses any other."""


async def _backend_calls(client: Client, driver: str) -> list[dict[str, Any]]:
    """Return the input of every call of the backend by the volume's runs."""
    workflow = names.volume_id(VolumeRef(driver=driver, volume_handle="vol"))
    calls = []
    async for run in client.list_workflows(f"WorkflowId = '{workflow}'"):
        async for event in client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history_events():
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name.startswith("backend_"):
                calls.append(json.loads(scheduled.input.payloads[0].data))
    return calls


async def test_a_backend_call_has_no_field_that_it_does_not_know(
    backed_worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, driver: str
) -> None:
    await cluster.create("vol")
    await mooring.publish("vol", "node-a")
    await mooring.unpublish("vol", "node-a")
    await mooring.unpublish("vol", "node-a")

    calls = await _backend_calls(temporal_client, driver)
    assert len(calls) == 3
    assert [set(call) - BACKEND_CALL for call in calls] == [set(), set(), set()]

"""Runs whose payloads nobody here can read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from temporalio.api.common.v1 import Payload, Payloads, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

from mooring import names

if TYPE_CHECKING:
    from temporalio.client import Client


async def end_unreadably(client: Client, workflow_id: str) -> str:
    """Have a run end whose input no codec here reads; return its id."""
    payload = Payload(metadata={"encoding": b"binary/encrypted"}, data=b"?")
    asked = StartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=workflow_id,
        workflow_type=WorkflowType(name=names.PUBLISH),
        task_queue=TaskQueue(name="nobody's"),
        input=Payloads(payloads=[payload]),
        request_id=uuid4().hex,
    )
    started = await client.workflow_service.start_workflow_execution(asked)
    await client.get_workflow_handle(workflow_id, run_id=started.run_id).terminate()
    return started.run_id

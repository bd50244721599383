"""Runs whose payloads nobody here can read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from temporalio.api.common.v1 import Payload, Payloads, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

from mooring import names

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle


async def begin_unreadably(client: Client, workflow_id: str, workflow: str = names.PUBLISH) -> WorkflowHandle[object, object]:
    """Begin a run whose input no codec here reads, and which no worker carries out."""
    payload = Payload(metadata={"encoding": b"binary/encrypted"}, data=b"?")
    asked = StartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=workflow_id,
        workflow_type=WorkflowType(name=workflow),
        task_queue=TaskQueue(name="nobody's"),
        input=Payloads(payloads=[payload]),
        request_id=uuid4().hex,
    )
    started = await client.workflow_service.start_workflow_execution(asked)
    return client.get_workflow_handle(workflow_id, run_id=started.run_id)


async def end_unreadably(client: Client, workflow_id: str, workflow: str = names.PUBLISH) -> str:
    """Have a run end whose input no codec here reads; return its id."""
    run = await begin_unreadably(client, workflow_id, workflow)
    await run.terminate()
    return run.run_id or ""

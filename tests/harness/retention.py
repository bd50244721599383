"""The end of the retention: Temporal forgets what is closed."""

from __future__ import annotations

import asyncio

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from mooring.models import VolumeRef
from mooring.names import volume_id
from mooring.temporal.runs import describe
from tests.harness.patience import PATIENCE


async def forget(client: Client, volume: VolumeRef) -> None:
    """Have all operations on the volume gone, as they are after the retention."""
    async with asyncio.timeout(PATIENCE):
        while (run := await describe(client, volume_id(volume))) is not None:
            execution = WorkflowExecution(workflow_id=run.id, run_id=run.run_id)
            asked = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
            try:
                await client.workflow_service.delete_workflow_execution(asked)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:  # it has gone since it was described
                    raise
            await asyncio.sleep(0.1)

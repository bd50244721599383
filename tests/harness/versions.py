"""Worker Deployments of the real Temporal server, as `temporal worker deployment` sees them."""

from __future__ import annotations

import asyncio
import uuid
from asyncio.subprocess import PIPE, STDOUT
from dataclasses import dataclass, field

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentVersionRequest
from temporalio.client import Client, WorkflowHandle

from mooring.devstack.temporal import temporal_command
from mooring.temporal.queues import Version, queue_workers
from tests.harness.patience import PATIENCE


@dataclass(frozen=True, slots=True)
class WorkerDeployment:
    """A deployment of its own for one test."""

    client: Client
    name: str = field(default_factory=lambda: f"mooring-{uuid.uuid4().hex[:8]}")

    async def make_current(self, build_id: str) -> None:
        """Have the workers of this build serve, once they poll, and return once each of their queues knows.

        NB: of switches that follow each other soon, the server's own state of the update may stay at "in progress" for ever.
        """
        name = ("--deployment-name", self.name, "--build-id", build_id)
        await temporal(self.client, "worker", "deployment", "set-current-version", "--yes", *name)
        version = WorkerDeploymentVersion(deployment_name=self.name, build_id=build_id)
        asked = DescribeWorkerDeploymentVersionRequest(namespace=self.client.namespace, deployment_version=version)
        polled = (await self.client.workflow_service.describe_worker_deployment_version(asked, retry=True)).version_task_queues
        async with asyncio.timeout(PATIENCE):
            for each in polled:
                while (await queue_workers(self.client, each.name, each.type)).current != Version(self.name, build_id):
                    await asyncio.sleep(0.05)


async def temporal(client: Client, *arguments: str) -> None:
    """Run the `temporal` command against the client's server until it succeeds."""
    command = [temporal_command(), *arguments, "--address", client.service_client.config.target_host]
    said = b""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
                said, _ = await process.communicate()
                if process.returncode == 0:
                    return
                await asyncio.sleep(0.1)  # NB: the server learns of a version from its workers' polls, a moment later
    except TimeoutError:
        raise AssertionError(f"{' '.join(command)}: {said.decode()}") from None


async def done_by(run: WorkflowHandle[object, object]) -> list[str]:
    """Return the identities of the workers that have completed the run's workflow tasks, in order."""
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return [
        event.workflow_task_completed_event_attributes.identity
        async for event in run.fetch_history_events()
        if event.event_type == completed
    ]

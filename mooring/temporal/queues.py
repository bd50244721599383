"""The workers of a task queue: those that get its tasks, and those of a version that gets none.

Contract: a worker that belongs to a Worker Deployment gets tasks while its version is the queue's current or ramping one, any other
worker while the queue has no current version. Both kinds poll.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

if TYPE_CHECKING:
    from temporalio.api.deployment.v1 import WorkerDeploymentVersion
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueueVersioningInfo
    from temporalio.client import Client

LIVELY: Final = timedelta(seconds=90)
"""A worker's poll lasts a minute and is then made again; the server remembers pollers for five."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version of a Worker Deployment; both are "" for workers that belong to none."""

    deployment: str = ""
    build_id: str = ""

    def __str__(self) -> str:
        """Return it in the words of a person."""
        return f"build {self.build_id} of {self.deployment}" if self.deployment else "not versioned"


@dataclass(frozen=True, slots=True)
class QueueWorkers:
    """The workers that have polled a queue for one kind of task within `LIVELY`.

    `served` get its tasks; `idle` get none, as their version is not `current`.
    """

    served: frozenset[str]
    idle: dict[str, Version]
    current: Version


async def queue_workers(client: Client, queue: str, kind: TaskQueueType.ValueType) -> QueueWorkers:
    """Ask which workers poll the queue; raise RPCError if the server doesn't answer."""
    asked = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind)
    found = await client.workflow_service.describe_task_queue(asked)
    since = datetime.now(UTC) - LIVELY
    lively = {each.identity: _version(each) for each in found.pollers if each.last_access_time.ToDatetime(UTC) > since}
    current, served = _read(found.versioning_info.current_deployment_version), _served(found.versioning_info)
    idle = {identity: version for identity, version in lively.items() if version not in served}
    return QueueWorkers(frozenset(lively.keys() - idle.keys()), idle, current)


async def pollers(client: Client, queue: str, kind: TaskQueueType.ValueType) -> set[str]:
    """Return the identities of the workers that get the queue's tasks of this kind; raise RPCError as `queue_workers` does."""
    return {*(await queue_workers(client, queue, kind)).served}


def _version(poller: PollerInfo) -> Version:
    options = poller.deployment_options
    if options.worker_versioning_mode != WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED:
        return Version()
    return Version(options.deployment_name, options.build_id)


def _served(info: TaskQueueVersioningInfo) -> set[Version]:
    """Return the versions that get tasks. NB: the ramping one is empty where none ramps, and where unversioned workers do."""
    served = {_read(info.current_deployment_version)}
    if info.ramping_version_percentage:
        served.add(_read(info.ramping_deployment_version))
    return served


def _read(version: WorkerDeploymentVersion) -> Version:
    return Version(version.deployment_name, version.build_id)

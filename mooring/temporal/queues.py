"""The workers of a task queue: those that get its tasks, and those of a version that gets none.

Contract: a worker that belongs to a Worker Deployment gets tasks while its version is the queue's current or ramping one, any other
worker while the queue has no current version. Both kinds poll. It is asked of the task queue: Temporal limits how often it may be
asked about Worker Deployments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from mooring.commands import code, set_current_version
from mooring.errors import WorkerUnavailable
from mooring.models import Model
from mooring.process.clock import utc_now
from mooring.temporal.runs import deadline

if TYPE_CHECKING:
    from temporalio.api.deployment.v1 import WorkerDeploymentVersion
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


class Unserved(Model):
    """The reason why none of the workers that poll a queue gets its tasks, and the ways out; `command` is for a shell."""

    cause: str
    fix: str
    command: str


@dataclass(frozen=True, slots=True)
class QueueWorkers:
    """The workers that have polled a queue for one kind of task lately.

    `served` get its tasks; `idle` get none, as their version is not `current`.
    """

    namespace: str
    queue: str
    served: frozenset[str]
    idle: dict[str, Version]
    current: Version

    @property
    def idle_in_full(self) -> str:
        """The idle workers, each with its version."""
        return ", ".join(f"{identity} ({version})" for identity, version in sorted(self.idle.items()))

    @property
    def unserved(self) -> Unserved | None:
        """The reason why idle workers alone poll the queue, None if others do, or none at all."""
        if self.served or not self.idle:
            return None
        current, wanted = self.current, max(self.idle.values())
        serves = f"only {current} gets them" if current.deployment else "no version of a Worker Deployment is current"
        return Unserved(
            cause=f"No worker gets the tasks of queue {self.queue}: {serves}, and it is polled by {self.idle_in_full}",
            fix="Make the version that is to serve the current one, or start workers of the one that is.",
            command=set_current_version(self.namespace, wanted.deployment or current.deployment, wanted.build_id),
        )


async def queue_workers(
    client: Client, queue: str, kind: TaskQueueType.ValueType, within: timedelta | None = LIVELY
) -> QueueWorkers:
    """Ask which workers have polled the queue `within` this time, or since the server can remember.

    Raises:
        RPCError: the server doesn't answer.

    """
    asked = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind)
    found = await client.workflow_service.describe_task_queue(asked)
    since = utc_now() - within if within else datetime.min.replace(tzinfo=UTC)
    lively = {each.identity: _version(each) for each in found.pollers if each.last_access_time.ToDatetime(UTC) > since}
    current, served = _read(found.versioning_info.current_deployment_version), _served(found.versioning_info)
    idle = {identity: version for identity, version in lively.items() if version not in served}
    return QueueWorkers(client.namespace, queue, frozenset(lively.keys() - idle.keys()), idle, current)


async def pollers(client: Client, queue: str, kind: TaskQueueType.ValueType) -> set[str]:
    """Return the identities of the workers that get the queue's tasks of this kind; raise RPCError as `queue_workers` does."""
    return {*(await queue_workers(client, queue, kind)).served}


async def unavailable(client: Client, queue: str, so: str) -> WorkerUnavailable | None:
    """Return the error of a queue of which no worker gets tasks, with what follows from that; None if one may.

    Raises:
        TemporalUnavailable: the server doesn't answer.

    """
    async with deadline(5, "The search for workers"):
        found = await queue_workers(client, queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, within=None)
    if found.served:
        return None
    if unserved := found.unserved:
        return WorkerUnavailable(f"{unserved.cause}{so}.", f"{unserved.fix} {code(unserved.command)}")
    return WorkerUnavailable(f"No worker polls task queue {queue}{so}.")


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

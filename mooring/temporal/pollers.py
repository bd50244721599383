"""The polling of task queues by a worker: the tasks that it asks for, and the activities that it carries out, at once.

Contract: a step that waits for other operations has slots of its own (`names.waiting_queue`), so that it never takes one that these
need. They are fewer than those of the steps, because each such step has others call the backend: the part of an evacuation that a
hanging backend holds up leaves room for publishes. A wait for the cluster has a share of its queue's slots, and yields beyond it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from temporalio.common import VersioningBehavior
from temporalio.worker import PollerBehaviorAutoscaling, UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from mooring.temporal.reasons import in_words

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.common import WorkerDeploymentVersion
    from temporalio.worker import Interceptor

_STICKY: Final = timedelta(seconds=0.5)
"""Time that a task waits for the worker that remembers its run, before any other gets it; a killed worker costs a run this much."""
_HEARTBEATS: Final = timedelta(seconds=0.5)
_POLLS: Final = PollerBehaviorAutoscaling(minimum=1, initial=1, maximum=5)
"""NB: each poll that a worker has open when it freezes is handed a task, which comes back only when it times out.

NB: pollers that scale make polls which the server refuses again every ten seconds; a fixed number of them ends the worker after
some refusals, though the server has lost the namespace for a minute only.
"""


@dataclass(frozen=True, slots=True)
class Slots:
    """Number of activities that one worker carries out at once: `steps` of operations, 4 at least, and `waits` for operations."""

    steps: int

    @property
    def waits(self) -> int:
        """The number of steps that may wait for other operations."""
        return self.steps // 2

    @property
    def volumes(self) -> int:
        """The number of steps that may wait for the PV of a volume."""
        return max(1, self.steps // 4)

    @property
    def migrations(self) -> int:
        """The number of waits that may be for the end of a migration."""
        return max(1, self.waits // 4)


@dataclass(frozen=True, slots=True)
class Polls:
    """The polling of one worker's queues; `refused` is called with the reason if Temporal takes no more polls."""

    client: Client
    identity: str
    drain_timeout: float
    interceptors: Sequence[Interceptor]
    refused: Callable[[str], None]
    sandbox: bool = True
    version: WorkerDeploymentVersion | None = None
    """None: the worker is not versioned."""

    @asynccontextmanager
    async def polling(
        self,
        queue: str,
        workflows: Sequence[type],
        activities: Sequence[Callable[..., Any]],
        slots: int,
        *,
        versioned: bool = False,
    ) -> AsyncIterator[Worker]:
        """Poll a queue while the block lasts, `versioned` as a version of the worker's deployment, if it is one.

        NB: the SDK ends a worker whose polls are refused for good. Its own context manager would then cancel the block, for each of
        several workers once, in the midst of what the first one has to end.
        """
        worker = self._worker(queue, workflows, activities, slots, self.version if versioned else None)

        def ended(run: asyncio.Task[None]) -> None:
            if not run.cancelled() and (error := run.exception()) is not None:
                self.refused(f"Temporal takes no more polls of task queue {queue}: {in_words(error)}.")

        running = asyncio.create_task(worker.run(), name=f"polls of {queue}")
        running.add_done_callback(ended)
        try:
            yield worker
        finally:
            await worker.shutdown()
            await asyncio.wait([running])

    def _worker(
        self,
        queue: str,
        workflows: Sequence[type],
        activities: Sequence[Callable[..., Any]],
        slots: int,
        version: WorkerDeploymentVersion | None,
    ) -> Worker:
        return Worker(
            self.client,
            task_queue=queue,
            workflows=workflows,
            activities=activities,
            identity=self.identity,
            max_concurrent_activities=slots,
            workflow_runner=SandboxedWorkflowRunner() if self.sandbox else UnsandboxedWorkflowRunner(),
            graceful_shutdown_timeout=timedelta(seconds=self.drain_timeout),
            sticky_queue_schedule_to_start_timeout=_STICKY,
            workflow_task_poller_behavior=_POLLS,
            activity_task_poller_behavior=_POLLS,
            interceptors=self.interceptors,
            max_heartbeat_throttle_interval=_HEARTBEATS,
            default_heartbeat_throttle_interval=_HEARTBEATS,
            deployment_config=_deployment(version) if version else None,
        )


def _deployment(version: WorkerDeploymentVersion) -> WorkerDeploymentConfig:
    """Return the configuration that has every run go on with the workers of whichever version is current.

    Pinned runs would need workers of the version that began them for as long as they wait: weeks, for a PersistentVolume.
    """
    return WorkerDeploymentConfig(version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE)

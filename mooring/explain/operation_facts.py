"""The Temporal half of a volume's facts: its operations, the workers, and the related runs. No worker is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

from mooring import names
from mooring.explain.facts import RelatedRun
from mooring.models import Attachment
from mooring.temporal import runs
from mooring.temporal.history import read_history
from mooring.temporal.queues import QueueWorkers, queue_workers
from mooring.temporal.run_reader import VolumeRun
from mooring.temporal.stuck_tasks import StuckTask, read_stuck_tasks

if TYPE_CHECKING:
    from temporalio.client import Client

    from mooring.models import VolumeRef

LAST: Final = 10
"""Number of operations that are shown."""
SECONDS: Final = 15.0
_ACTIVITIES: Final = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
_STATE: Final = SearchAttributeKey.for_keyword(names.ATTACHMENT_STATE)


@dataclass(frozen=True, slots=True)
class OperationsPart:
    """The facts from Temporal."""

    runs: tuple[VolumeRun, ...]
    unpersisted: Attachment | None
    workers: QueueWorkers
    waiters: QueueWorkers
    stuck: tuple[StuckTask, ...]
    task_queue: str
    namespace: str


@dataclass(frozen=True, slots=True)
class RelatedPart:
    """The facts about runs that are no operations of the volume."""

    runs: tuple[RelatedRun, ...] = ()
    stuck: tuple[StuckTask, ...] = ()


async def read_operations(client: Client, volume: VolumeRef, queue: str) -> OperationsPart:
    """Read the volume's operations, and the workers of `queue`, or of the task queue that the open operation waits on.

    Raises:
        TemporalUnavailable: the server didn't answer.

    """
    async with runs.deadline(SECONDS, f"The history of volume {volume.volume_handle}"):
        newest = await runs.describe(client, names.volume_id(volume))
        queue = newest.task_queue if newest and newest.status is WorkflowExecutionStatus.RUNNING else queue
        history, waiting, workers, waiters, stuck = await asyncio.gather(
            read_history(client, volume, LAST),
            _unpersisted(client, volume),
            queue_workers(client, queue, _ACTIVITIES),
            queue_workers(client, names.waiting_queue(queue), _ACTIVITIES),
            read_stuck_tasks(client, names.volume_id(volume), names.unpersisted_id(volume)),
        )
    return OperationsPart(history.runs, waiting, workers, waiters, stuck, queue, client.namespace)


async def read_related(client: Client, volume: VolumeRef, node_ids: Iterable[str]) -> RelatedPart:
    """Read the last migration of the volume and the last evacuation of each node, if there was one.

    Raises:
        TemporalUnavailable: the server didn't answer.

    """
    asked = [("migration", volume.volume_handle, names.migration_id(volume))]
    asked += [("evacuation", node_id, names.evacuate_id(volume.driver, node_id)) for node_id in sorted(set(node_ids))]
    async with runs.deadline(SECONDS, f"The other runs about volume {volume.volume_handle}"):
        found = await asyncio.gather(*(_related(client, *each) for each in asked))
        stuck = await read_stuck_tasks(client, *(run.workflow_id for run in found if run and run.ended_at is None))
    return RelatedPart(tuple(run for run in found if run), stuck)


async def _unpersisted(client: Client, volume: VolumeRef) -> Attachment | None:
    """Return the holder of the volume while it has no PV, from the run's memo, however many operations have followed since."""
    run = await runs.describe(client, names.unpersisted_id(volume))
    if run is None or run.status is not WorkflowExecutionStatus.RUNNING:
        return None
    held: Attachment = await run.memo_value(names.ATTACHMENT_MEMO, type_hint=Attachment)
    return held


async def _related(client: Client, kind: str, about: str, workflow_id: str) -> RelatedRun | None:
    run = await runs.describe(client, workflow_id)
    if run is None:
        return None
    state = run.typed_search_attributes.get(_STATE) or (run.status.name.capitalize() if run.status else "")
    return RelatedRun(
        kind=kind,
        about=about,
        workflow_id=workflow_id,
        run_id=run.run_id,
        state=state,
        started_at=run.start_time,
        ended_at=run.close_time,
    )

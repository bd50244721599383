"""The rebuild of one worker's index, by a workflow on the task queue that this worker alone polls.

Contract: a rebuild that is open is joined. A worker's own (`rebuild`) returns once it has succeeded, however long that takes.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from temporalio.client import WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from mooring import names
from mooring.models import RebuildResult
from mooring.process.backoff import pauses
from mooring.process.repeats import RepeatedWarning

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

AT_MOST: Final = timedelta(hours=1)

logger = logging.getLogger(__name__)


async def rebuild(client: Client, driver: str, worker: str, queue: str) -> None:
    """Have the index rebuilt; `queue` is the task queue that the driver's workers share."""
    repeated = RepeatedWarning(logger)
    for pause in pauses(0.5, 5.0):
        try:
            result = await (await start_rebuild(client, driver, worker, queue, AT_MOST)).result()
        except (RPCError, WorkflowFailureError) as error:
            repeated.warn(f"The index is not rebuilt: {error.__cause__ or error}. Trying again.")
            await asyncio.sleep(pause)
        else:
            logger.info(result.message)
            return


async def start_rebuild(
    client: Client, driver: str, worker: str, queue: str, at_most: timedelta
) -> WorkflowHandle[Any, RebuildResult]:
    """Have this worker rebuild its index within `at_most`, and return the run; raise RPCError if Temporal takes none."""
    return await client.start_workflow(
        names.REBUILD,
        id=names.rebuild_id(driver, worker),
        task_queue=names.worker_queue(queue, worker),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        execution_timeout=at_most,
        result_type=RebuildResult,
        static_summary=f"rebuild the index of {worker}",
    )

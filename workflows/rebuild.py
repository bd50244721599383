"""RebuildAttachments: fill a worker's index from the PVs.

Contract: it runs on the task queue that this worker alone polls. It is retried until it succeeds: without an index the worker
doesn't serve.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.rebuild import RebuildActivities
    from mooring.models import RebuildResult
    from mooring.names import REBUILD

_ATTEMPT = timedelta(minutes=10)
_SILENCE = timedelta(seconds=30)
_RETRY_AT_MOST = timedelta(seconds=5)


@workflow.defn(name=REBUILD)
class RebuildAttachments:
    """The workflow with the id `rebuild/<driver>/<worker>`; takes nothing, returns a RebuildResult."""

    @workflow.run
    async def run(self) -> RebuildResult:
        """Rebuild; see the module."""
        return await workflow.execute_activity_method(
            RebuildActivities.rebuild,
            start_to_close_timeout=_ATTEMPT,
            heartbeat_timeout=_SILENCE,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_interval=_RETRY_AT_MOST),
            summary="read all PVs and replace the index",
        )

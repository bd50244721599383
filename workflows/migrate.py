"""WatchMigration: watch a block volume that several nodes hold because it migrates live from one to the other.

Contract: a second node means a migration only if the number of nodes is limited (MOORING_MIGRATION_NODES). Without a limit nodes
share the volume, nothing is watched, and a watch that was begun before ends. It ends when at most one node holds the volume, and
changes nothing: an unpublish decides which node releases. Past the deadline it reports so, in its state, an Event and a metric, the
Event again each time it has taken twice as long, and goes on; nothing is detached for being late.

Not kept here: the number of nodes that are permitted (mooring/records/refusals.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ActivityHandle, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from mooring import names
    from mooring.events.reasons import EventNote, Reason
    from mooring.models import Migrating, MigrationResult, PublishRequest, VolumeRecord
    from mooring.states import State
    from workflows.common.events import record_event
    from workflows.common.failures import STOPPED, ended, failed_step, stopped
    from workflows.common.report import Report
    from workflows.common.steps import Steps
    from workflows.common.visibility import count


_LIMITED = "watch only where the nodes are limited"
"""The patch since which nodes that share a volume without a limit are not watched."""


async def watch_migration(steps: Steps, asked: PublishRequest, record: VolumeRecord) -> None:
    """Have the migration that this record shows watched, if it shows one that isn't watched yet."""
    others = tuple(held.node_id for held in record.everyone if held.node_id != asked.node_id)
    if not (asked.migrates and others) or (not steps.limits.migration_nodes and workflow.patched(_LIMITED)):
        return
    migrating = Migrating(volume=steps.volume, mark=record.mark, from_nodes=others, to_node=asked.node_id)
    with suppress(WorkflowAlreadyStartedError):
        await workflow.start_child_workflow(
            WatchMigration.run,
            migrating,
            id=names.migration_id(steps.volume),
            parent_close_policy=ParentClosePolicy.ABANDON,
            task_timeout=names.TASK_TIMEOUT,
            static_summary=names.summary(f"{asked.volume_handle} migrates from {', '.join(others)} to {asked.node_id}"),
        )


@workflow.defn(name=names.MIGRATE)
class WatchMigration:
    """The workflow with the id `migration/<driver>/<volume handle>`, a child that outlives its publish."""

    def __init__(self) -> None:
        self._asked: Migrating
        self._steps: Steps
        self._report: Report
        self._overdue = False

    @workflow.run
    async def run(self, migrating: Migrating) -> MigrationResult:
        """Watch; see the module."""
        self._asked = migrating
        self._steps, _ = await Steps.begin(migrating.volume)
        self._report = Report("migrate", self._steps, migrating.to_node)
        self._enter(State.MIGRATING, Reason.MIGRATION_STARTED, f"{self._what()} has begun: both nodes hold the volume.")
        try:
            record = await self._steps.waits.for_migration(self._end_of)
        except STOPPED as error:
            raise ended(stopped(error), f"{self._what()} is watched no longer") from failed_step(error)
        result = self._result(record)
        self._report.end(State.SHARED if _is_shared(record) else State.MIGRATED, result.message)
        if not _is_shared(record):
            self._tell(Reason.MIGRATION_COMPLETED, result.message)
        return result

    async def _end_of(self, wait: ActivityHandle[VolumeRecord | None]) -> VolumeRecord | None:
        limit = timedelta(seconds=self._steps.limits.migration_deadline)
        while limit:
            deadline = asyncio.create_task(workflow.sleep(limit, summary="deadline of the migration"))
            await workflow.wait([wait, deadline], return_when=asyncio.FIRST_COMPLETED)
            if wait.done():
                deadline.cancel()
                return await wait
            self._say_overdue()
            limit *= 2  # so that a history stays short, however long it takes
        return await wait

    def _say_overdue(self) -> None:
        if not self._overdue:
            self._overdue = True
            count("migrate", State.MIGRATION_OVERDUE)
        took = timedelta(seconds=round((workflow.now() - workflow.info().workflow_start_time).total_seconds()))
        told = (
            f"{self._what()} is not over after {took}, and both nodes hold the volume. Nothing is detached automatically: "
            "check whether the migration is still running, and end it, or unpublish the volume from the node that should lose "
            "it."
        )
        self._enter(State.MIGRATION_OVERDUE, Reason.MIGRATION_TIMED_OUT, told)

    def _result(self, record: VolumeRecord | None) -> MigrationResult:
        nodes = [held.node_id for held in record.everyone] if record else []
        stays = nodes[0] if len(nodes) == 1 else ""
        over = f"is watched no longer: any number of nodes may hold the volume, and {' and '.join(nodes)} do"
        return MigrationResult(
            driver=self._asked.volume.driver,
            volume_handle=self._asked.volume.volume_handle,
            from_nodes=self._asked.from_nodes,
            to_node=self._asked.to_node,
            stays=stays,
            overdue=self._overdue,
            message=f"{self._what()} {over if _is_shared(record) else f'is over: {self._outcome(stays)}'}.",
        )

    def _outcome(self, stays: str) -> str:
        if stays in self._asked.from_nodes:
            return f"node {stays}, where it began, keeps the volume"
        return f"node {stays} has the volume to itself" if stays else "no node has the volume any longer"

    def _enter(self, state: State, reason: Reason, told: str) -> None:
        self._report.show(state, told)
        self._tell(reason, told)

    def _tell(self, reason: Reason, told: str) -> None:
        record_event(EventNote(reason, self._asked.volume.volume_handle, self._asked.to_node, self._asked.mark, told))

    def _what(self) -> str:
        origin = " and ".join(self._asked.from_nodes)
        return f"The migration of volume {self._asked.volume.volume_handle} from node {origin} to node {self._asked.to_node}"


def _is_shared(record: VolumeRecord | None) -> bool:
    """Return whether the watch has ended with several holders, since their number is no longer limited."""
    return record is not None and len(record.everyone) > 1

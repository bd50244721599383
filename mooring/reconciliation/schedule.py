"""The Schedule that has a driver reconciled: made by the first worker, kept by all.

Contract: there is one, `reconcile/<driver>`, and no two runs of it at once: a run that is due while one is open is skipped. It is
changed only if the worker's settings differ from it, and by no worker of another task queue than it names, for as long as that has
pollers: two workers never fight over it. If the settings ask for no reconciliation, there is no Schedule.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from mooring import names
from mooring.models.reconciliation import ReconcileRequest
from mooring.temporal.queues import pollers

if TYPE_CHECKING:
    from mooring.settings import Settings

_LOOKS: Final = 7200.0
"""Seconds that a run may take beside its pauses; a run that is open keeps the next one from beginning."""
_CATCH_UP: Final = timedelta(seconds=10)


logger = logging.getLogger(__name__)


async def scheduled_queue(client: Client, driver: str) -> str:
    """Return the task queue that the driver's Schedule names, or "" for none; raise RPCError if Temporal doesn't answer."""
    try:
        return queue_of((await client.get_schedule_handle(names.reconcile_id(driver)).describe()).schedule)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return ""
        raise


def queue_of(schedule: Schedule) -> str:
    """Return the task queue that the Schedule names."""
    return schedule.action.task_queue if isinstance(schedule.action, ScheduleActionStartWorkflow) else ""


@dataclass(frozen=True, slots=True)
class ReconcileSchedule:
    """Plan of a driver's reconciliation: every `interval` seconds (0: not at all), by the workers of a task queue.

    `pauses`: the seconds of a run that are no work.
    """

    driver: str
    task_queue: str
    interval: float
    pauses: float

    @classmethod
    def of(cls, settings: Settings) -> ReconcileSchedule:
        """Make the plan that a worker's settings ask for."""
        return cls(settings.driver, settings.queue, settings.reconcile_interval, settings.reconcile_settle + settings.approval_wait)

    async def keep(self, client: Client) -> None:
        """Make the Schedule as planned, unless workers of another task queue have it; raise RPCError if Temporal refuses it."""
        if not self.interval:
            await self._drop(client)
            return
        try:
            await client.create_schedule(names.reconcile_id(self.driver), self._schedule())
        except ScheduleAlreadyRunningError:
            handle = client.get_schedule_handle(names.reconcile_id(self.driver))
            if self._differs((await handle.describe()).schedule):
                await handle.update(partial(self._corrected, client))

    async def take_over(self, client: Client) -> None:
        """Have the Schedule name this plan's task queue if no worker polls the one that it names; raise RPCError as in `keep`.

        NB: nothing else is corrected. Workers whose settings differ would correct each other without end.
        """
        named = await scheduled_queue(client, self.driver)
        if self.interval and named and named != self.task_queue:
            await client.get_schedule_handle(names.reconcile_id(self.driver)).update(partial(self._corrected, client))

    async def _corrected(self, client: Client, found: ScheduleUpdateInput) -> ScheduleUpdate | None:
        """Correct the Schedule. NB: an operator's changes to its state, such as a pause, are kept."""
        schedule, planned = found.description.schedule, self._schedule()
        named = queue_of(schedule)
        if others := await self._others(client, named):
            logger.warning(
                "The Schedule %s names task queue %s, which %s poll, and not %s; it stays as it is for as long as they do.",
                *(names.reconcile_id(self.driver), named, ", ".join(sorted(others)), self.task_queue),
            )
            return None
        schedule.action, schedule.spec, schedule.policy = planned.action, planned.spec, planned.policy
        return ScheduleUpdate(schedule)

    async def _others(self, client: Client, named: str) -> set[str]:
        """Return the workers of another task queue that poll the named one."""
        return await pollers(client, named, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW) if named not in ("", self.task_queue) else set()

    def _differs(self, schedule: Schedule) -> bool:
        action = schedule.action
        return (
            [each.every for each in schedule.spec.intervals] != [timedelta(seconds=self.interval)]
            or not isinstance(action, ScheduleActionStartWorkflow)
            or (action.task_queue, action.execution_timeout) != (self.task_queue, self._longest)
        )

    async def _drop(self, client: Client) -> None:
        try:
            await client.get_schedule_handle(names.reconcile_id(self.driver)).delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    @property
    def _longest(self) -> timedelta:
        return timedelta(seconds=self.pauses + _LOOKS)

    def _schedule(self) -> Schedule:
        every = timedelta(seconds=self.interval)
        return Schedule(
            action=ScheduleActionStartWorkflow(
                names.RECONCILE,
                ReconcileRequest(driver=self.driver),
                id=names.reconcile_id(self.driver),
                task_queue=self.task_queue,
                execution_timeout=self._longest,
                task_timeout=names.TASK_TIMEOUT,
                static_summary=f"compare records, cluster and backend of {self.driver}",
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=max(every, _CATCH_UP)),
        )

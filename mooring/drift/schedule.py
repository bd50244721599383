"""The Schedule that has a driver reconciled: made by whichever worker comes first, kept by all.

Contract: there is one, `reconcile/<driver>`, and no two runs of it at once: what is due while one is open is skipped. It is changed
only where the worker's settings differ from it. Where they ask for no reconciliation, there is no Schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

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
from mooring.drift.models import ReconcileRequest

if TYPE_CHECKING:
    from mooring.settings import Settings

_LOOKS: Final = 7200.0
"""Seconds that a run may take beside its pauses; a run that is open keeps the next one from beginning."""
_CATCH_UP: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a driver is to be reconciled: every `interval` seconds (0: not at all), by the workers of a task queue.

    `pauses`: how many seconds of a run are no work.
    """

    driver: str
    task_queue: str
    interval: float
    pauses: float

    @classmethod
    def of(cls, settings: Settings) -> Plan:
        """What a worker's settings ask for."""
        return cls(settings.driver, settings.queue, settings.reconcile_interval, settings.reconcile_settle + settings.approval_wait)

    async def keep(self, client: Client) -> None:
        """Make the Schedule as planned, whatever there is; RPCError where Temporal doesn't let it."""
        if not self.interval:
            await self._drop(client)
            return
        try:
            await client.create_schedule(names.reconcile_id(self.driver), self._schedule())
        except ScheduleAlreadyRunningError:
            await self._correct(client)

    async def _correct(self, client: Client) -> None:
        handle = client.get_schedule_handle(names.reconcile_id(self.driver))
        if self._differs((await handle.describe()).schedule):
            await handle.update(self._corrected)

    def _corrected(self, found: ScheduleUpdateInput) -> ScheduleUpdate:
        """NB: what an operator has set, a pause say, stays."""
        schedule, planned = found.description.schedule, self._schedule()
        schedule.action, schedule.spec, schedule.policy = planned.action, planned.spec, planned.policy
        return ScheduleUpdate(schedule)

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

"""The steps about waits: those for a PV, which are the holds of volumes without one, and those for the end of a migration.

Contract: each is retried until it succeeds, however long that takes.

Not kept here: the conclusions about a hold (mooring/records/holds.py), and the wait for one that a publish makes
(workflows/publication/hold.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityHandle

with workflow.unsafe.imports_passed_through():
    from activities.migrations import MigrationActivities
    from activities.unpersisted import UnpersistedActivities
    from mooring.models import OperationLimits, PersistInput, RunRef, UnpersistedRun, VolumeRecord, VolumeRef
    from mooring.names import waiting_queue
    from workflows.common.activity_options import patient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workflows.common.details import RunDetails

A = TypeVar("A")
Q = TypeVar("Q")

_MIGRATION = "wait until one node holds the volume"
_WAIT = 86400.0
"""Seconds of one attempt to wait for a PV; there is no last one."""
_PV_LOOK = 60.0
"""Seconds that an attempt to wait for the end of a migration may take beside its look at the PV, and between two attempts."""


@dataclass(frozen=True, slots=True)
class WaitSteps:
    """The waits of one operation on one volume."""

    volume: VolumeRef
    limits: OperationLimits
    details: RunDetails
    """The details of the run, which name each."""

    async def find_hold(self) -> UnpersistedRun | None:
        """Return the attachment that waits for the volume's PV now, if any."""
        return await self._take("look for an unpersisted holder", UnpersistedActivities.find, self.volume)

    async def drop_hold(self, run_id: str) -> None:
        """End the wait for this volume's PV, however long it takes."""
        await self._take("give up the unpersisted holder", UnpersistedActivities.drop, RunRef(volume=self.volume, run_id=run_id))

    async def outwait_hold(self, run_id: str) -> None:
        """Wait until a run that was asked to give up the wait for this volume's PV has done so, or goes on in another."""
        await self._take(
            "wait for the end of the unpersisted holder", UnpersistedActivities.outwait, RunRef(volume=self.volume, run_id=run_id)
        )

    async def is_open(self, operation: str) -> bool:
        """Return whether that operation on the volume is open."""
        run = RunRef(volume=self.volume, run_id=operation)
        return await self._take("look at the operation that asks for the end", UnpersistedActivities.ends_for, run)

    async def has_begun(self, run_id: str) -> bool:
        """Return whether this is the run of a hold that this very operation has begun."""
        run = RunRef(volume=self.volume, run_id=run_id)
        return await self._take("look at the run that wrote the record", UnpersistedActivities.has_begun, run)

    async def publisher_lives(self, operation: str) -> bool:
        """Return whether that publish is open, or has succeeded."""
        publish = RunRef(volume=self.volume, run_id=operation)
        return await self._take("look at the publish that began this", UnpersistedActivities.publisher_lives, publish)

    async def for_volume(self, waiting: PersistInput) -> VolumeRecord:
        """Wait until the volume has a PV, and return its record."""
        return await self._take(
            f"wait for a PV to record {waiting.attachment.node_id} on", UnpersistedActivities.wait, waiting, _WAIT
        )

    async def for_migration(self, until: Callable[[ActivityHandle[VolumeRecord | None]], Awaitable[A]]) -> A:
        """Wait until at most one node holds the volume, however long it takes, by way of what waits for the record then."""
        options = patient(self.limits, _MIGRATION, _PV_LOOK + self.limits.attempt_timeout)
        options["retry_policy"] = RetryPolicy(maximum_interval=timedelta(seconds=_PV_LOOK))
        options["task_queue"] = waiting_queue(workflow.info().task_queue)
        with self.details.step(_MIGRATION):
            return await until(workflow.start_activity_method(MigrationActivities.wait, self.volume, **options))

    async def _take(self, summary: str, step: Callable[[Any, Q], Awaitable[A]], asked: Q, attempt: float | None = None) -> A:
        options = patient(self.limits, summary, attempt or self.limits.attempt_timeout)
        return await self.details.take(step, asked, options)

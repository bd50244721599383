"""The steps about waits: those for a PV, which are the holds of volumes without one, and those for the end of a migration.

Contract: each is retried until it succeeds, however long that takes.

Not kept here: the conclusions about a hold (mooring/records/holds.py), and the wait for one that a publish makes
(workflows/publication/hold.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityConfig, ActivityHandle

with workflow.unsafe.imports_passed_through():
    from activities.migrations import MigrationActivities
    from activities.unpersisted import UnpersistedActivities
    from mooring.models import OperationLimits, PersistInput, RunRef, UnpersistedRun, VolumeRecord, VolumeRef
    from mooring.names import waiting_queue
    from workflows.common.activity_options import patient

if TYPE_CHECKING:
    from collections.abc import Callable

_WAIT = 86400.0
"""Seconds of one attempt to wait for a PV; there is no last one."""
_PV_LOOK = 60.0
"""Seconds that an attempt to wait for the end of a migration may take beside its look at the PV, and between two attempts."""


@dataclass(frozen=True, slots=True)
class WaitSteps:
    """The waits of one operation on one volume."""

    volume: VolumeRef
    limits: OperationLimits
    begin: Callable[[str], None]
    """A callable that is given the summary of each."""

    async def find_hold(self) -> UnpersistedRun | None:
        """Return the attachment that waits for the volume's PV now, if any."""
        options = self._patient("look for an unpersisted holder", self.limits.attempt_timeout)
        return await workflow.execute_activity_method(UnpersistedActivities.find, self.volume, **options)

    async def drop_hold(self, run_id: str) -> None:
        """End the wait for this volume's PV, however long it takes."""
        options = self._patient("give up the unpersisted holder", self.limits.attempt_timeout)
        await workflow.execute_activity_method(UnpersistedActivities.drop, RunRef(volume=self.volume, run_id=run_id), **options)

    async def outwait_hold(self, run_id: str) -> None:
        """Wait until a run that was asked to give up the wait for this volume's PV has done so, or goes on in another."""
        options = self._patient("wait for the end of the unpersisted holder", self.limits.attempt_timeout)
        await workflow.execute_activity_method(UnpersistedActivities.outwait, RunRef(volume=self.volume, run_id=run_id), **options)

    async def is_open(self, operation: str) -> bool:
        """Return whether that operation on the volume is open."""
        options = self._patient("look at the operation that asks for the end", self.limits.attempt_timeout)
        run = RunRef(volume=self.volume, run_id=operation)
        return await workflow.execute_activity_method(UnpersistedActivities.ends_for, run, **options)

    async def has_begun(self, run_id: str) -> bool:
        """Return whether this is the run of a hold that this very operation has begun."""
        options = self._patient("look at the run that wrote the record", self.limits.attempt_timeout)
        run = RunRef(volume=self.volume, run_id=run_id)
        return await workflow.execute_activity_method(UnpersistedActivities.has_begun, run, **options)

    async def publisher_lives(self, operation: str) -> bool:
        """Return whether that publish is open, or has succeeded."""
        options = self._patient("look at the publish that began this", self.limits.attempt_timeout)
        publish = RunRef(volume=self.volume, run_id=operation)
        return await workflow.execute_activity_method(UnpersistedActivities.publisher_lives, publish, **options)

    async def for_volume(self, waiting: PersistInput) -> VolumeRecord:
        """Wait until the volume has a PV, and return its record."""
        options = self._patient(f"wait for a PV to record {waiting.attachment.node_id} on", _WAIT)
        return await workflow.execute_activity_method(UnpersistedActivities.wait, waiting, **options)

    def for_migration(self) -> ActivityHandle[VolumeRecord | None]:
        """Begin to wait for the record once at most one node holds the volume, however long it takes."""
        options = self._patient("wait until one node holds the volume", _PV_LOOK + self.limits.attempt_timeout)
        options["retry_policy"] = RetryPolicy(maximum_interval=timedelta(seconds=_PV_LOOK))
        options["task_queue"] = waiting_queue(workflow.info().task_queue)
        return workflow.start_activity_method(MigrationActivities.wait, self.volume, **options)

    def _patient(self, summary: str, attempt: float) -> ActivityConfig:
        self.begin(summary)
        return patient(self.limits, summary, attempt)

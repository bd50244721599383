"""The steps of an evacuation: each an activity, cancelled only once it has really stopped.

Contract: a look is retried until it succeeds, and made again if its answer arrives so late that it says nothing of now. A release
is bounded by the limit of an unpublish by itself, and may fail; it also fails if no worker takes it soon.

Not kept here: the order of the steps (workflows/evacuate.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.workflow import ActivityConfig

with workflow.unsafe.imports_passed_through():
    from activities.evacuation import EvacuationActivities
    from mooring.models import UnpublishResult
    from mooring.models.evacuation import (
        CountReleasedInput,
        EvacuationOptions,
        HeldVolume,
        HeldVolumes,
        ReadNodeInput,
        ReadNodeResult,
        Release,
    )
    from mooring.names import waiting_queue
    from workflows.common.activity_options import patient
    from workflows.common.details import RunDetails

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TERMS = timedelta(seconds=10)
_START = timedelta(seconds=30)
"""Time within which a worker must take a release, because the look before it grows old."""
_COUNT = 60.0
"""Seconds of one attempt to learn how releases ended."""
_LIST = 600.0
"""Seconds of one attempt to list all PVs."""


@dataclass(slots=True)
class EvacuationSteps:
    """The steps of the evacuation of one node."""

    node_id: str
    options: EvacuationOptions
    details: RunDetails
    """The details of the run, which name each step."""

    @classmethod
    async def begin(cls, node_id: str) -> EvacuationSteps:
        """Take the first step, which fixes the settings."""
        options = await workflow.execute_local_activity_method(EvacuationActivities.options, start_to_close_timeout=_TERMS)
        return cls(node_id, options, RunDetails(node_id=node_id))

    def pauses(self) -> Iterator[timedelta]:
        """Yield the pauses between two rounds of releases, without end."""
        longest = timedelta(seconds=30 * self.options.limits.retry_interval_max)
        pause = timedelta(seconds=self.options.limits.retry_interval_max / 2)
        while True:
            yield pause
            pause = min(longest, 2 * pause)

    async def look(self, names: Sequence[str]) -> ReadNodeResult:
        """Look at the node, which had these names, however long it takes."""
        options = self._bounded(f"look at node {self.node_id}", self.options.limits.attempt_timeout)
        longest = timedelta(seconds=self.options.limits.attempt_timeout + self.options.limits.heartbeat_timeout)
        while True:
            began = workflow.now()
            seen = await self.details.take(EvacuationActivities.look, self._asked(names), options)
            if workflow.now() - began <= longest:
                return seen

    async def held(self) -> HeldVolumes:
        """List the volumes that the node holds, however long it takes."""
        options = self._bounded(f"list the volumes of node {self.node_id}", _LIST)
        return await self.details.take(EvacuationActivities.held, self._asked(()), options)

    async def release(self, held: HeldVolume) -> UnpublishResult:
        """Have the node release a volume."""
        limits = self.options.limits
        budget = limits.backend_budget + limits.clear_budget + 2 * limits.attempt_timeout
        asked = Release(node_id=self.node_id, held=held, deadline=budget)
        options = self._bounded(f"release {held.volume_handle}", budget + limits.attempt_timeout)
        options["schedule_to_close_timeout"] = timedelta(seconds=2 * budget)
        options["schedule_to_start_timeout"] = _START
        options["task_queue"] = waiting_queue(workflow.info().task_queue)
        return await self.details.take(EvacuationActivities.release, asked, options)

    async def count_released(self, volumes: Sequence[HeldVolume]) -> int:
        """Return how many of these volumes were released as this evacuation has asked; it may fail."""
        options = self._bounded(f"see which of {len(volumes)} releases were done", _COUNT)
        options["schedule_to_close_timeout"] = timedelta(seconds=2 * _COUNT)
        asked = CountReleasedInput(node_id=self.node_id, volumes=tuple(volumes))
        return await self.details.take(EvacuationActivities.count_released, asked, options)

    def _asked(self, names: Sequence[str]) -> ReadNodeInput:
        several = tuple(names) if len(names) > 1 else ()
        return ReadNodeInput(node_id=self.node_id, node_name=names[0] if names else "", node_names=several)

    def _bounded(self, summary: str, attempt: float) -> ActivityConfig:
        return patient(self.options.limits, summary, attempt)

"""The activity that rebuilds this worker's index from the PVs, and starts the watch that keeps it current."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from activities.attempt import attempt
from mooring.models import RebuildResult
from mooring.process.words import counted

if TYPE_CHECKING:
    from mooring.index.reflector import Reflector


class RebuildActivities:
    """The rebuild of one worker."""

    def __init__(self, reflector: Reflector, worker: str) -> None:
        self._reflector = reflector
        self._worker = worker

    @activity.defn(name="rebuild_index")
    async def rebuild(self) -> RebuildResult:
        """Read all PVs, replace the index in one step, start the watch; counts, never the list."""
        async with attempt(patient=True):
            rebuilt = await self._reflector.rebuild(activity.heartbeat)
        counts = rebuilt.counts
        skipped = {str(reason): number for reason, number in rebuilt.skipped.items() if number}
        return RebuildResult(
            worker=self._worker,
            volumes=counts.volumes,
            attached=counts.attached,
            holders=counts.holders,
            skipped=skipped,
            replaced_times=rebuilt.replaced_times,
            seconds=round(rebuilt.seconds, 3),
            message=f"Worker {self._worker} restored {counted(counts.holders, 'holder')} of {counted(counts.attached, 'volume')} "
            f"from {counted(counts.volumes, 'PV')} in {rebuilt.seconds:.2f} s; skipped: {_listed(skipped)}.",
        )


def _listed(skipped: dict[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in skipped.items()) or "none"

"""A worker's part in reconciliation beside carrying it out: it keeps the Schedule, and shows the last result.

Contract: all workers show the same figures, whichever of them did the work, because each reads them from Temporal. Neither a
Schedule that can't be made nor a report that can't be read keeps a worker from serving: it is logged and tried again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError

from mooring.process.repeats import RepeatedWarning
from mooring.reconciliation.report import last_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from temporalio.client import Client

    from mooring.process.metrics import Metrics
    from mooring.reconciliation.report import ReconciliationReport
    from mooring.reconciliation.schedule import ReconcileSchedule

LONGEST_PAUSE: Final = 30.0
READS: Final = 5
"""Reports that are read in one interval, where that is short."""

logger = logging.getLogger(__name__)


class ReconciliationMonitor:
    """The monitor of one driver's Schedule and figures. `now` is UTC."""

    def __init__(self, client: Client, schedule: ReconcileSchedule, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._client = client
        self._plan = schedule
        self._metrics = metrics
        self._now = now
        self._ended = now()

    async def keep_up(self) -> None:
        """Keep the Schedule and the figures up, without end, or only once if nothing is to be reconciled."""
        pause = min(LONGEST_PAUSE, self._plan.interval / READS) or LONGEST_PAUSE
        kept, repeated = False, RepeatedWarning(logger)
        while not (kept and not self._plan.interval):
            try:
                await (self._plan.take_over(self._client) if kept else self._keep())
                report = await last_report(self._client, self._plan.driver)
                kept = report is not None or not self._plan.interval  # NB: a worker that wants none has deleted it, say
                self._show(report)
                repeated.over()
            except (RPCError, WorkflowFailureError) as error:
                repeated.warn(f"The Schedule of reconciliations could not be checked; trying again: {error}")
            except Exception:
                logger.exception("The check of the Schedule of reconciliations failed; trying again.")
            await asyncio.sleep(pause)

    async def _keep(self) -> None:
        await self._plan.keep(self._client)
        if self._plan.interval:
            self._metrics.observe_reconciliation(lambda: (self._now() - self._ended).total_seconds())

    def _show(self, report: ReconciliationReport | None) -> None:
        if report is None:
            return
        self._ended = report.ended_at or self._ended
        left = report.result.left if report.result else {}
        self._metrics.reconciled(left, awaits_approval=report.awaits_approval)

"""The numbers of a driver's runs that are open, and open for too long, by state, which no counter of ended operations can show.

Contract: every worker shows the same, by the namespace's visibility, which lags a little. If the namespace doesn't know
Mooring's search attributes, nothing is shown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from temporalio.service import RPCError

from mooring import names
from mooring.states import State

if TYPE_CHECKING:
    from temporalio.client import Client

    from mooring.process.metrics import Metrics

EVERY: Final = 30.0
LONG: Final = timedelta(minutes=10)
"""Time that an operation may take before it counts as stuck: its own limits are shorter."""
OPERATIONS: Final = (State.PUBLISHING, State.ROLLING_BACK, State.UNPUBLISHING, State.ADOPTING)
WAITS: Final = (State.WAITING_FOR_PV, State.AWAITING_PROOF, State.AWAITING_APPROVAL, State.EVACUATING, State.MIGRATION_OVERDUE)
"""States in which a run may rightly stay for long."""

logger = logging.getLogger(__name__)


async def count_open(
    client: Client, driver: str, metrics: Metrics, now: Callable[[], datetime], every: float = EVERY, long: timedelta = LONG
) -> None:
    """Count the open runs without end; `now` is UTC."""

    async def count(state: State, also: str = "") -> int:
        mine = f"ExecutionStatus = 'Running' AND {names.CSI_DRIVER} = '{driver}' AND {names.ATTACHMENT_STATE} = '{state}'"
        return (await client.count_workflows(mine + also)).count

    while True:
        try:
            for state in (*OPERATIONS, *WAITS):
                number = await count(state)
                begun = f" AND StartTime < '{(now() - long).isoformat()}'"
                stuck = await count(state, begun) if number and state in OPERATIONS else 0
                metrics.runs_are_open(state, number, stuck)
        except RPCError as error:
            logger.debug("The open runs could not be counted: %s", error)
        await asyncio.sleep(every)

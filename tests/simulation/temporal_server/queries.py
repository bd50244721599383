"""Queries: asked of whichever worker has the run's code, and answered by it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payloads
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.service import RPCError

if TYPE_CHECKING:
    from tests.simulation.temporal_server.run import Run


@dataclass(slots=True, eq=False)
class Query:
    """A query on a task queue, and its answer."""

    run: Run
    id: str
    asked: WorkflowQuery
    answer: asyncio.Future[Payloads | RPCError] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def wanted(self) -> bool:
        """True if nobody has answered it."""
        return not self.answer.done()

    def begin(self, identity: str) -> None:
        """Do nothing: a query leaves nothing."""

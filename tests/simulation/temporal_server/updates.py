"""Updates of runs: sent with a workflow task, accepted or refused by the worker's answer, and awaited by who asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.update.v1 import Outcome, Request

if TYPE_CHECKING:
    from tests.simulation.temporal_server.run import Run


@dataclass(frozen=True, slots=True)
class UpdateAnswer:
    """A part of a worker's answer that concerns an update."""

    id: str
    accepted: bool = False
    rejected: Failure | None = None
    failed: Failure | None = None
    completed: Payload | None = None

    @property
    def is_rejection(self) -> bool:
        """True if the update leaves nothing."""
        return self.rejected is not None


@dataclass(slots=True, eq=False)
class PendingUpdate:
    """An update of a run: `sent` to a worker, and its outcome."""

    run: Run
    request: Request
    sent: bool = False
    accepted_id: int = 0
    outcome: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def id(self) -> str:
        """The update's id."""
        update_id: str = self.request.meta.update_id
        return update_id

    def answer(self, answer: UpdateAnswer, done_id: int) -> None:
        """Take in what a worker says of it."""
        if answer.rejected is not None:
            self._end(Outcome(failure=answer.rejected))
            del self.run.updates[self.id]
        if answer.accepted:
            fields = {"protocol_instance_id": self.id, "accepted_request_sequencing_event_id": done_id - 2}
            message = f"{self.id}/request"
            event = self.run.write(
                "WORKFLOW_EXECUTION_UPDATE_ACCEPTED", accepted_request=self.request, accepted_request_message_id=message, **fields
            )
            self.accepted_id = event.event_id
        if answer.completed is not None:
            self._finish(Outcome(success=Payloads(payloads=[answer.completed])))
        if answer.failed is not None:
            self._finish(Outcome(failure=answer.failed))

    def _finish(self, outcome: Outcome) -> None:
        fields = {"meta": self.request.meta, "accepted_event_id": self.accepted_id}
        self.run.write("WORKFLOW_EXECUTION_UPDATE_COMPLETED", outcome=outcome, **fields)
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

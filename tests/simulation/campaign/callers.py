"""The callers of the driver in one world: for which run each call is made, and by which process.

Not kept here: the calls themselves, which the history has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from temporalio import activity

from tests.harness.driver.journal import Call
from tests.simulation.clock import PROCESS, Process
from tests.simulation.temporal_server.reset import reset_at

if TYPE_CHECKING:
    from tests.simulation.temporal_server.run import Run
    from tests.simulation.temporal_server.server import Server


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of one call; the ids are "" where no activity makes it."""

    process: Process | None
    workflow_id: str = ""
    run_id: str = ""
    activity_id: str = ""


@dataclass(slots=True)
class Callers:
    """The callers so far, by the numbers of their calls. `paused`: processes that went on after somebody may have given them up."""

    temporal: Server
    paused: set[Process] = field(default_factory=set)
    _callers: dict[int, Caller] = field(default_factory=dict)

    def note(self, call: Call) -> None:
        """Take in a call, which is being made now."""
        self._callers[call.number] = _present()

    def run_id(self, call: Call) -> str:
        """Return the run for which a call was made."""
        return self._callers[call.number].run_id

    def is_stray(self, call: Call) -> bool:
        """Return whether a call is of a process that went on after it may have been given up."""
        return self._callers[call.number].process in self.paused

    def is_again(self, call: Call) -> bool:
        """Return whether a call is of a run that was reset, or of one that was reset to a moment at which that waited for it."""
        caller = self._callers[call.number]
        run = self.temporal.find(caller.workflow_id, caller.run_id) if caller.run_id else None
        return run is not None and (run.successor is not None or _waited(run, caller.activity_id))


def _present() -> Caller:
    if not activity.in_activity():
        return Caller(PROCESS.get())
    asking = activity.info()
    return Caller(PROCESS.get(), asking.workflow_id or "", asking.workflow_run_id or "", asking.activity_id)


def _waited(run: Run, activity_id: str) -> bool:
    """Return whether the run waited for the activity when it was reset."""
    return any(each.asked.activity_id == activity_id and each.scheduled_id < reset_at(run) for each in run.activities.values())

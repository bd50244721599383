"""The server: all runs, and what anybody may do to them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from temporalio.api.enums.v1 import RetryState, WorkflowTaskFailedCause

from tests.simulation.clock import call_later
from tests.simulation.temporal_server import relations
from tests.simulation.temporal_server import run as runs
from tests.simulation.temporal_server.activities import Activities
from tests.simulation.temporal_server.matching import Matching
from tests.simulation.temporal_server.run import Run
from tests.simulation.temporal_server.schedules import Schedules
from tests.simulation.temporal_server.starts import Starts
from tests.simulation.temporal_server.visibility import Visibility
from tests.simulation.temporal_server.workflow_tasks import WorkflowTasks

_FORCED: Final = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND
_DAY: Final = 86_400.0


def no_time(_: random.Random) -> float:
    """Return that something takes no time."""
    return 0.0


@dataclass(slots=True, eq=False)
class Server:
    """A Temporal server with one namespace; `dice` decides ids and delays.

    `hop` is the time until the server does what follows from a change, `lag` that until the list of runs shows it.
    """

    dice: random.Random
    namespace: str = "default"
    hop: Callable[[random.Random], float] = no_time
    lag: Callable[[random.Random], float] = no_time
    retention: float = _DAY
    suggest_at: int = 4_096
    """Length of a history at which going on as a new run is suggested."""
    search_attributes: dict[str, Any] = field(default_factory=dict)
    matching: Matching = field(default_factory=Matching)
    starts: Starts = field(init=False)
    tasks: WorkflowTasks = field(init=False)
    activities: Activities = field(init=False)
    visibility: Visibility = field(init=False)
    schedules: Schedules = field(init=False)
    _runs: dict[str, dict[str, Run]] = field(default_factory=dict)
    _last: dict[str, Run] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.starts, self.tasks, self.activities = Starts(self), WorkflowTasks(self), Activities(self)
        self.visibility, self.schedules = Visibility(self), Schedules(self)

    def new_id(self) -> str:
        """Return an id that nothing else has."""
        digits = f"{self.dice.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def later(self, act: Callable[..., Any], *given: Any) -> None:
        """Do what follows from a change."""
        call_later(self.hop(self.dice), act, *given)

    def lagging(self, act: Callable[..., Any], *given: Any) -> None:
        """Do something once the list of runs has caught up."""
        lag = self.lag(self.dice)
        if lag:
            call_later(lag, act, *given)
        else:
            act(*given)

    def find(self, workflow_id: str, run_id: str = "") -> Run | None:
        """Return a run, or the last one of the workflow id."""
        if not run_id:
            return self._last.get(workflow_id)
        return self._runs.get(workflow_id, {}).get(run_id)

    def runs(self) -> list[list[Run]]:
        """Return the runs of each workflow id."""
        return [list(by_run.values()) for by_run in self._runs.values()]

    def add(self, run: Run) -> None:
        """Take in a run that begins."""
        self._runs.setdefault(run.workflow_id, {})[run.run_id] = run
        self._last[run.workflow_id] = run

    def closed(self, run: Run) -> None:
        """Do what follows from the end of a run."""
        self.visibility.note(run)
        self.later(relations.report_to_parent, run)
        if run.children and run.status != runs.CONTINUED:
            self.later(relations.close_children, run)
        call_later(self.retention, self._forget, run)

    def handed_out(self, run: Run, what: str, identity: str) -> None:
        """Take in that a worker has got one of a run's tasks: an activity of this type, or a `WORKFLOW_TASK`."""

    def signal(self, run: Run, name: str, given: Any, **more: Any) -> None:
        """Signal a run."""
        kind = "WORKFLOW_EXECUTION_SIGNALED"
        run.happen(kind, lambda: run.write(kind, signal_name=name, input=given, **more))

    def request_cancel(self, run: Run, reason: str, identity: str, **more: Any) -> None:
        """Request that a run be cancelled; it is asked once."""
        if run.cancel_requested:
            return
        run.cancel_requested = True
        kind = "WORKFLOW_EXECUTION_CANCEL_REQUESTED"
        run.happen(kind, lambda: run.write(kind, cause=reason, identity=identity, **more))

    def terminate(self, run: Run, reason: str, identity: str, details: Any = None) -> None:
        """End a run without its code."""
        self.tasks.drop(run, _FORCED)
        run.write("WORKFLOW_EXECUTION_TERMINATED", reason=reason, identity=identity, details=details)
        run.close(runs.TERMINATED)

    def time_out(self, run: Run) -> None:
        """End a run whose time is over."""
        self.tasks.drop(run, _FORCED)
        run.write("WORKFLOW_EXECUTION_TIMED_OUT", retry_state=RetryState.RETRY_STATE_TIMEOUT)
        run.close(runs.TIMED_OUT)

    def _forget(self, run: Run) -> None:
        """Remove a run past its retention."""
        by_run = self._runs.get(run.workflow_id, {})
        by_run.pop(run.run_id, None)
        if self._last.get(run.workflow_id) is run:
            del self._last[run.workflow_id]
        if not by_run:
            self._runs.pop(run.workflow_id, None)
        self.visibility.forget(run)

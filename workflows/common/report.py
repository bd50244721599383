"""The reports of one operation on a volume to operators: its state, its end, and Events.

Contract: nothing here changes the operation; see visibility.py and events.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from mooring.events.reasons import EventNote, Reason
    from workflows.common.events import record_event
    from workflows.common.visibility import count, explain, show

if TYPE_CHECKING:
    from mooring.states import State
    from workflows.common.steps import Steps


@dataclass(slots=True)
class Report:
    """The reports of one operation on a volume and a node, "" for every node; `kind` is its name in metrics."""

    kind: str
    steps: Steps
    node_id: str
    _state: State | None = None
    _details: str = ""

    def begin(self, state: State) -> None:
        """Show the state that the operation begins in, as soon as it takes longer than its first workflow task."""
        if not self.steps.first.undisturbed:
            self.show(state)
            return
        self.explain(state)
        self.steps.first.on_delay = partial(self.show, state)

    def show(self, state: State, details: str = "") -> None:
        """Show the state that the operation is in, with these details of it, in Markdown."""
        self.steps.first.on_delay = None
        self._note(state, details)
        show(self.steps.limits, self.steps.volume, self.node_id, state, details)

    def explain(self, state: State, details: str = "") -> None:
        """Show the state in the run's details alone."""
        self._note(state, details)
        explain(state, details, self.steps.volume.volume_handle, self.node_id)

    def _note(self, state: State, details: str) -> None:
        self._state, self._details = state, details
        self.steps.on_step = self._step

    def _step(self, summary: str) -> None:
        """Have the run's details say which step it waits for, and since when."""
        if self._state is not None:
            since = f"{workflow.now():%Y-%m-%d %H:%M:%S} UTC"
            waits = f"Since {since} it waits for this step: {summary}."
            volume = self.steps.volume.volume_handle
            explain(self._state, "\n\n".join(filter(None, (self._details, waits))), volume, self.node_id)

    def end(self, state: State) -> None:
        """Show the state that the operation ends in, and count it."""
        self.show(state)
        count(self.kind, state)

    def event(self, why: Reason, note: str, node_id: str = "") -> None:
        """Record an Event about the volume and this node, or else the operation's."""
        pv = self.steps.seen.mark if self.steps.seen else None
        record_event(EventNote(why, self.steps.volume.volume_handle, node_id or self.node_id, pv, note))

"""The reports of one operation on a volume to operators: its state, its end, and Events.

Contract: nothing here changes the operation; see visibility.py, details.py and events.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from mooring.events.reasons import EventNote, Reason
    from workflows.common.events import record_event
    from workflows.common.visibility import count, show

if TYPE_CHECKING:
    from mooring.states import State
    from workflows.common.steps import Steps


@dataclass(slots=True)
class Report:
    """The reports of one operation on a volume and a node, "" for every node; `kind` is its name in metrics."""

    kind: str
    steps: Steps
    node_id: str

    def __post_init__(self) -> None:
        self.steps.details.node_id = self.node_id

    def begin(self, state: State) -> None:
        """Show the state that the operation begins in, as soon as it takes longer than its first workflow task."""
        if not self.steps.first.undisturbed:
            self.show(state)
            return
        self.explain(state)
        self.steps.first.on_delay = partial(self.show, state)

    def show(self, state: State, cause: str = "") -> None:
        """Show the state that the operation is in, and why, in Markdown."""
        self.steps.first.on_delay = None
        self.explain(state, cause)
        show(self.steps.limits, self.steps.volume, self.node_id, state)

    def explain(self, state: State, cause: str = "") -> None:
        """Show the state in the run's details alone."""
        self.steps.details.enter(state, cause)

    def end(self, state: State, cause: str = "") -> None:
        """Show the state that the operation ends in, and count it."""
        self.show(state, cause)
        count(self.kind, state)

    def event(self, why: Reason, note: str, node_id: str = "") -> None:
        """Record an Event about the volume and this node, or else the operation's."""
        pv = self.steps.seen.mark if self.steps.seen else None
        record_event(EventNote(why, self.steps.volume.volume_handle, node_id or self.node_id, pv, note))

"""The details of a run, as the Temporal UI shows them: its state, the cause, and the steps that it waits for, since when.

Contract: they are not stored and issue no command, so that histories with and without them are the same.

Not kept here: the meaning of a state (mooring/states.py), and search attributes (visibility.py).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import workflow
from temporalio.workflow import ActivityConfig

with workflow.unsafe.imports_passed_through():
    from mooring.commands import filled_in
    from mooring.states import State, guidance, meaning

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import datetime

A = TypeVar("A")
Q = TypeVar("Q")

_MOST = 5
"""Steps that are named, the oldest first."""


@dataclass(slots=True)
class RunDetails:
    """The details of one run about this volume and node, "" for none in particular. Nothing is shown before it has a state."""

    volume: str = ""
    node_id: str = ""
    _state: State | None = None
    _cause: str = ""
    _steps: list[tuple[datetime, str]] = field(default_factory=list)

    def enter(self, state: State, cause: str = "") -> None:
        """Show this state, and why the run is in it, in Markdown."""
        self._state, self._cause = state, cause
        self._show()

    @contextmanager
    def step(self, summary: str, since: datetime | None = None) -> Iterator[None]:
        """Show that the run waits for this step, since now unless it began to before, until the step has ended.

        NB: the end of an evicted run (GeneratorExit) may come amid another run's code, whose details these are not.
        """
        waits = (since or workflow.now(), summary)
        self._steps.append(waits)
        self._show()
        evicted = False
        try:
            yield
        except GeneratorExit:
            evicted = True
            raise
        finally:
            self._steps.remove(waits)
            if not evicted:
                self._show()

    async def take(self, step: Callable[[Any, Q], Awaitable[A]], asked: Q, options: ActivityConfig) -> A:
        """Take this step as an activity, and show its summary until it has ended."""
        with self.step(options.get("summary") or ""):
            return await workflow.execute_activity_method(step, asked, **options)

    def _show(self) -> None:
        if self._state is not None:
            told = (self._cause, self._waits(), self._advice(self._state))
            workflow.set_current_details("\n\n".join(filter(None, told)))

    def _waits(self) -> str:
        open_since = [(_moment(since), summary) for since, summary in sorted(self._steps)]
        if len(open_since) < 2:
            return "".join(f"Since {since} it waits for this step: {summary}." for since, summary in open_since)
        named = [f"- since {since}: {summary}" for since, summary in open_since[:_MOST]]
        more = [f"- and {len(open_since) - _MOST} more"] if len(open_since) > _MOST else []
        return "\n".join(["It waits for these steps:\n", *named, *more])

    def _advice(self, state: State) -> str:
        """Return the meaning of the state, with its commands for this volume and node.

        NB: the cause that a run waits for proof is advice already, with the names of the node in its commands.
        """
        if self._cause and state is State.AWAITING_PROOF:
            return meaning(state)
        return filled_in(guidance(state), self.volume, self.node_id)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"

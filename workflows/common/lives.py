"""The lives of a run: an operator's reset begins another one, which replays what its former self was told.

Contract: what was true in a former life may be so no longer, as others may have had the volume since.

Not kept here: what a run does again (steps.py, acquisition.py, workflows/publication/).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from temporalio import workflow

LIVES = "look again where the run was reset"
"""The patch since which no call of the backend hangs on what a former self was shown."""


def this_life() -> int:
    """Return a number that a reset changes where it happened.

    NB: a replay finds it as it was, so any decision may depend on whether the run was reset since another one.
    """
    return workflow.random_seed()


def was_reset() -> bool:
    """Return whether this run was reset from another, which may have left something under way.

    NB: a reset changes it for the replayed part, too, so only the end of a run may depend on it, as on its own id.
    """
    return workflow.info().run_id != workflow.info().original_execution_run_id


@dataclass(slots=True)
class Lives:
    """The lives in which a run learnt what it knows."""

    stopped: BaseException | None = None
    """The cancellation that came before the first look, where a former self may have left something to roll back."""
    asked_in: int = field(default_factory=this_life)
    """The life in which the attachment that waits for the volume's PV was asked for."""
    looked_in: int = field(default_factory=this_life)
    """The life in which the PV was looked at last."""

"""The undoing of an operation's writes to the record, when it fails or is cancelled.

Contract: it ends on a write of this very run, or on a look of its own that shows nothing to undo.

Not kept here: the decision to undo (mooring/records/fence.py), and what the backend has done (workflows/publication/rollback.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from mooring.records import fence
    from workflows.common.lives import LIVES, this_life

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from mooring.models import ReadResult
    from workflows.common.steps import Steps


async def take_back(
    steps: Steps,
    node_id: str,
    leaves: Callable[[ReadResult], bool],
    first: Callable[[ReadResult], Awaitable[bool]],
    budget: float | None = None,
    mine: Callable[[], Collection[str]] = tuple,
) -> ReadResult:
    """Undo the writes of the operation, or of another run that is `mine`, however long it takes, and return the last look.

    With a `budget`, each step fails beyond it.

    `leaves` says whether the node keeps the volume; `first`, awaited before each try, whether there is a record to write to.
    """
    while True:
        seen = await _look(steps, budget)
        writable = await first(seen)
        write = None
        if writable and seen.record is not None:
            write = fence.undo(seen.record, steps.volume, node_id, seen.by, renews=leaves(seen), mine=mine())
        if steps.trusts(seen) if write is None else steps.is_current(await steps.undo(write, budget)):
            return seen


async def _look(steps: Steps, budget: float | None) -> ReadResult:
    """Read the live record, and again if the run was reset since and the record that its former self saw is gone.

    NB: the record's undo tests the record seen, the backend's doesn't.
    """
    before = this_life()
    seen = await steps.look_patiently(budget)
    if this_life() == before or not workflow.patched(LIVES):
        return seen
    now = await steps.look_patiently(budget)
    return seen if now.record == seen.record else now

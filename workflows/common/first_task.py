"""The first workflow task of an operation, in which an undisturbed one is done: its writes are local activities.

Contract: a local activity is one short attempt. A write that isn't done at once becomes a regular activity, visible and retried, by
whoever asked for it. No history knows of a local attempt before the task has completed, so a worker that dies in it may leave one
under way (`forgets`).

Not kept here: the rules for such attempts (mooring/records/fence.py), and the steps (steps.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from mooring.models import Refusal, Write, WriteResult
    from workflows.common.failures import is_final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_AT_ONCE: Final = timedelta(seconds=1)
"""Time of the one attempt, with its wait for a slot: far less than a workflow task's, which the server would take for lost."""
_TRIED_AGAIN: Final = 6
"""Fewest events of a history when its first workflow task is tried again: the start, and twice a task scheduled and started,
between which it failed or timed out. NB: a request to cancel adds one, a reset more.
"""
_BEGINS_AGAIN: Final = "heeds the first task that was begun before"
"""The patch since which a publish takes a first task that was begun before for one that may have left an attempt."""


def _events() -> int:
    """Return the number of events that the history had when this workflow task began."""
    return workflow.info().get_current_history_length()


def is_first_try() -> bool:
    """Return whether this workflow task is the first one of its run, or was at least begun by nobody before."""
    return _events() < _TRIED_AGAIN


@dataclass(slots=True)
class FirstTask:
    """The first workflow task of one operation, as it is when memory has answered; `writes`: it may hold a write.

    NB: where memory took longer than the first task, the write is in a later one; a history of that length counts as begun before.
    """

    writes: bool = False
    undisturbed: bool = False
    """True if memory knows of nothing that could disturb the operation, nor has the task been given to another worker since
    (`ObserveResult.undisturbed`)."""
    on_delay: Callable[[], None] | None = None
    """A callable that is due before the first step beyond this task."""
    attempted: bool = False
    """True if a local attempt was made with the first step, and its outcome is unknown; or if one lasted for longer than the task
    in which it was begun, so that there may have been others."""
    hangs: bool = False
    """True if a local attempt that wasn't done at once may still be under way."""
    _begun_at: int = field(default_factory=_events)

    @property
    def forgets(self) -> bool:
        """True if an attempt may be under way that the history doesn't know."""
        was_begun = self.writes and self._begun_at >= _TRIED_AGAIN and workflow.patched(_BEGINS_AGAIN)
        return was_begun or self.attempted

    async def make(self, step: Callable[..., Awaitable[WriteResult]], write: Write) -> WriteResult | None:
        """Make the write by this step, or return None if it isn't done at once."""
        before = _events()
        made, failed = await _attempt(step, write)
        self.attempted = self.attempted or _events() != before
        if failed is None:
            return made
        if is_cancelled_exception(failed) and workflow.cancellation_reason() is not None:  # NB: else the worker ends
            raise failed
        if is_final(failed):
            raise _as_step(failed, step.__name__) from failed
        self.hangs = True
        return None

    def leave(self) -> None:
        """Begin a step beyond this task."""
        due, self.on_delay = self.on_delay, None
        if due is not None:
            due()


def refusal_of(refused: Refusal, name: str) -> ActivityError:
    """Return the failure of a visible step whose very first attempt was refused so."""
    root = ApplicationError(refused.message, 1, type=refused.error, non_retryable=True)
    step = _as_step(root, name)
    step.__cause__ = root
    return step


def _as_step(error: FailureError, name: str) -> ActivityError:
    """Return the failure of a visible step with the same cause."""
    return ActivityError(
        error.message,
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type=name,
        activity_id="",
        retry_state=None,
    )


async def _attempt(step: Callable[..., Awaitable[WriteResult]], write: Write) -> tuple[WriteResult | None, FailureError | None]:
    """Return what the one attempt wrote, or its failure.

    NB: the SDK raises what a local activity raised, and wraps only what it makes itself.
    """
    try:
        made: WriteResult = await workflow.execute_local_activity_method(
            step,
            write,
            schedule_to_close_timeout=_AT_ONCE,
            retry_policy=RetryPolicy(maximum_attempts=1),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
    except FailureError as error:
        return None, error
    return made, None

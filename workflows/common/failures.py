"""What stops an operation, and the failure that it then ends with.

Contract: the failure's type is that of its cause (mooring/errors.py), its message says what became of the operation and why. A
cancelled operation ends as cancelled.
"""

from __future__ import annotations

import asyncio

from temporalio import exceptions, workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    FailureError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from mooring.errors import TABLE, BackendUncertain, KubernetesUnavailable, MooringError, from_failure

STOPPED = (FailureError, asyncio.CancelledError)
"""What a failed or cancelled step raises.

NB: nothing else is caught: a fault in our own code fails the workflow task, which is tried again once it is mended, and the
end of an evicted run (GeneratorExit) is nobody's failure.
"""


def failure(error: MooringError) -> ApplicationError:
    """The failure that ends a workflow with this error."""
    category = ApplicationErrorCategory.BENIGN if error.expected else ApplicationErrorCategory.UNSPECIFIED
    return ApplicationError(str(error), type=error.type_name(), non_retryable=True, category=category)


def cause(error: BaseException) -> ApplicationError | None:
    """What a failed step said last: the first application failure on its chain of causes."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, ApplicationError):
        link = link.__cause__
    return link


def says(error: BaseException, kind: type[MooringError]) -> bool:
    """Whether this is what a failed step said."""
    root = cause(error)
    return root is not None and root.type == kind.type_name()


def stopped(error: BaseException) -> BaseException:
    """Return what stopped an operation: the cancellation, too, where a step could not heed it because its worker was dead.

    NB: such a step times out. A final answer stands, whatever was cancelled meanwhile.
    """
    if workflow.cancellation_reason() is None or is_cancelled_exception(error) or is_final(error):
        return error
    return CancelledError("Cancelled") if workflow.patched("cancelled beside a dead worker") else error


def is_final(error: BaseException) -> bool:
    """Whether the error is an answer that no retry would change, as opposed to a step that was cancelled or ran out of time."""
    root = cause(error)
    return root is not None and root.non_retryable


def is_final_at_once(error: BaseException) -> bool:
    """Whether the very first attempt of a step got a final answer, so that no attempt of it can be under way."""
    root = cause(error)
    if root is None or not root.non_retryable or TABLE.get(root.type or "", MooringError).may_have_landed:
        return False
    return tuple(root.details[:1]) == (1,)


def ended(error: BaseException, what: str) -> FailureError:
    """What ends an operation that could not be carried out: `what` became of it, and the cause by its own type.

    A cancelled operation ends as cancelled, which is what the UI then shows.
    """
    if is_cancelled_exception(error):
        return CancelledError(what)
    root = cause(error)
    if root is error:
        return failure(from_failure(root.type, root.message))  # NB: the same object would become its own cause, without end
    if root is not None:
        return failure(from_failure(root.type, f"{what}. The cause: {root.message}"))
    ran_out = BackendUncertain if _asks_the_backend(error) else KubernetesUnavailable
    return failure(ran_out(f"{what}. The cause: {reason(error)}"))


def _asks_the_backend(error: BaseException) -> bool:
    return isinstance(error, ActivityError) and error.activity_type.startswith("backend_")


def failed_step(error: BaseException) -> ActivityError | None:
    """The failed step, to be shown as the cause of what `ended` gives; None where the workflow itself decided."""
    return error if isinstance(error, ActivityError) else None


def reason(error: BaseException) -> str:
    """Why a step failed, in its own words where it had any, else what ran out."""
    root = cause(error)
    if root is not None:
        return root.message
    inner = error.cause if isinstance(error, ActivityError) and error.cause else error
    kind = f" ({inner.type.name})" if isinstance(inner, exceptions.TimeoutError) and inner.type is not None else ""
    return f"{inner}{kind}."

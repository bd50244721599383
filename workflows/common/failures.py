"""The causes that stop an operation, and the failure that it then ends with.

Contract: the failure's type is that of its cause (mooring/errors.py), its message gives the outcome of the operation and the
reason. A cancelled operation ends as cancelled.
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
"""The exceptions that a failed or cancelled step raises.

NB: nothing else is caught: a fault in our own code fails the workflow task, which is tried again once it is mended, and the
end of an evicted run (GeneratorExit) is nobody's failure.
"""


def failure(error: MooringError) -> ApplicationError:
    """Return the failure that ends a workflow with this error."""
    category = ApplicationErrorCategory.BENIGN if error.expected else ApplicationErrorCategory.UNSPECIFIED
    return ApplicationError(str(error), type=error.type_name(), non_retryable=True, category=category)


def cause(error: BaseException) -> ApplicationError | None:
    """Return the last error of a failed step: the first application failure on its chain of causes, or None."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, ApplicationError):
        link = link.__cause__
    return link


def says(error: BaseException, kind: type[MooringError]) -> bool:
    """Return whether a failed step ended with an error of this kind."""
    root = cause(error)
    return root is not None and root.type == kind.type_name()


def stopped(error: BaseException) -> BaseException:
    """Return the error that stopped an operation: the cancellation, too, if a step could not heed it because its worker was dead.

    NB: such a step times out. A final answer remains, whatever was cancelled meanwhile.
    """
    if workflow.cancellation_reason() is None or is_cancelled_exception(error) or is_final(error):
        return error
    return CancelledError("Cancelled") if workflow.patched("cancelled beside a dead worker") else error


def is_final(error: BaseException) -> bool:
    """Return whether the error is an answer that no retry would change, and not a step that was cancelled or ran out of time."""
    root = cause(error)
    return root is not None and root.non_retryable


def is_final_at_once(error: BaseException) -> bool:
    """Return whether the very first attempt of a step got a final answer, so that no attempt of it can be under way."""
    root = cause(error)
    if root is None or not root.non_retryable or TABLE.get(root.type or "", MooringError).may_have_landed:
        return False
    return tuple(root.details[:1]) == (1,)


def ended(error: BaseException, what: str) -> FailureError:
    """Return the failure of an operation that could not be carried out: its outcome, `what`, and the cause by its own type.

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
    """Return the failed step, to be shown as the cause of the failure of `ended`, or None if the workflow itself decided."""
    return error if isinstance(error, ActivityError) else None


def reason(error: BaseException) -> str:
    """Return the reason why a step failed, in its own words if it has any, or else the limit that ran out or the cancellation."""
    if is_cancelled_exception(error):
        return "it was cancelled."
    root = cause(error)
    if root is not None:
        return root.message
    inner = error.cause if isinstance(error, ActivityError) and error.cause else error
    kind = f" ({inner.type.name})" if isinstance(inner, exceptions.TimeoutError) and inner.type is not None else ""
    return f"{inner}{kind}."

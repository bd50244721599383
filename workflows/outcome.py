"""How an operation shows: its search attributes while it runs, its metrics and its failure when it ends.

Contract: nothing here changes what an operation does. Search attributes are set only where the namespace knows them, because
setting an unknown one would fail the workflow task for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import exceptions, workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from mooring import names
    from mooring.errors import KubernetesUnavailable, from_failure
    from workflows.steps import cause, failure

if TYPE_CHECKING:
    from mooring.models import Limits, VolumeRef

_DRIVER = SearchAttributeKey.for_keyword(names.CSI_DRIVER)
_VOLUME = SearchAttributeKey.for_keyword(names.VOLUME_ID)
_NODE = SearchAttributeKey.for_keyword(names.NODE_ID)
_STATE = SearchAttributeKey.for_keyword(names.ATTACHMENT_STATE)


def show(limits: Limits, volume: VolumeRef, node_id: str, state: names.State) -> None:
    """Set the run's search attributes."""
    if limits.search_attributes:
        workflow.upsert_search_attributes(
            [
                _DRIVER.value_set(volume.driver),
                _VOLUME.value_set(volume.volume_handle),
                _NODE.value_set(node_id),
                _STATE.value_set(state),
            ]
        )


def count(kind: str, outcome: str) -> None:
    """Count an ended operation and how long it took; the SDK does so once, however often the history is replayed."""
    meter = workflow.metric_meter().with_additional_attributes({"kind": kind, "outcome": outcome})
    meter.create_counter("mooring_operations", "Operations that ended, by kind and outcome.").add(1)
    took = workflow.now() - workflow.info().workflow_start_time
    meter.create_histogram_timedelta("mooring_operation_duration", "How long operations took.", "duration").record(took)


def ended(error: BaseException, what: str) -> exceptions.FailureError:
    """What ends an operation that could not be carried out: `what` became of it, and the cause by its own type.

    A cancelled operation ends as cancelled, which is what the UI then shows.
    """
    if exceptions.is_cancelled_exception(error):
        return exceptions.CancelledError(what)
    root = cause(error)
    if root is error:
        return failure(from_failure(root.type, root.message))  # NB: the same object would become its own cause, without end
    if root is not None:
        return failure(from_failure(root.type, f"{what}. The cause: {root.message}"))
    return failure(KubernetesUnavailable(f"{what}. The cause: {reason(error)}"))


def failed_step(error: BaseException) -> exceptions.ActivityError | None:
    """The failed step, to be shown as the cause of what `ended` gives; None where the workflow itself decided."""
    return error if isinstance(error, exceptions.ActivityError) else None


def reason(error: BaseException) -> str:
    """Why a step failed, in its own words where it had any, else what ran out."""
    root = cause(error)
    if root is not None:
        return root.message
    inner = error.cause if isinstance(error, exceptions.ActivityError) and error.cause else error
    kind = f" ({inner.type.name})" if isinstance(inner, exceptions.TimeoutError) and inner.type is not None else ""
    return f"{inner}{kind}."

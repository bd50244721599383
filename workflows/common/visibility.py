"""The visibility of an operation: its search attributes while it runs, its metrics when it ends.

Contract: nothing here changes an operation. Search attributes are set only if the namespace knows them, because
setting an unknown one would fail the workflow task for ever.

Not kept here: the details that a run shows (details.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from mooring import names

if TYPE_CHECKING:
    from mooring.models import OperationLimits, VolumeRef
    from mooring.states import State

_DRIVER = SearchAttributeKey.for_keyword(names.CSI_DRIVER)
_VOLUME = SearchAttributeKey.for_keyword(names.VOLUME_ID)
_NODE = SearchAttributeKey.for_keyword(names.NODE_ID)
_STATE = SearchAttributeKey.for_keyword(names.ATTACHMENT_STATE)


def show(limits: OperationLimits, volume: VolumeRef, node_id: str, state: State) -> None:
    """Set the search attributes of a run that is about a volume and a node."""
    if limits.search_attributes:
        workflow.upsert_search_attributes(
            [
                _DRIVER.value_set(volume.driver),
                _VOLUME.value_set(names.short(volume.volume_handle)),
                _NODE.value_set(names.short(node_id)),
                _STATE.value_set(state),
            ]
        )


def show_driver(driver: str, state: State, *, search_attributes: bool) -> None:
    """Set the search attributes of a run that is about a whole driver; `search_attributes`: the namespace knows them."""
    if search_attributes:
        workflow.upsert_search_attributes([_DRIVER.value_set(driver), _STATE.value_set(state)])


def show_node(limits: OperationLimits, driver: str, node_id: str, state: State) -> None:
    """Set the search attributes of a run that is about a node."""
    if limits.search_attributes:
        workflow.upsert_search_attributes(
            [_DRIVER.value_set(driver), _NODE.value_set(names.short(node_id)), _STATE.value_set(state)]
        )


def count(kind: str, outcome: str) -> None:
    """Count an ended operation and its duration; the SDK does so once, however often the history is replayed."""
    meter = workflow.metric_meter().with_additional_attributes({"kind": kind, "outcome": outcome})
    meter.create_counter("mooring_operations", "Operations that ended, by kind and outcome.").add(1)
    took = workflow.now() - workflow.info().workflow_start_time
    meter.create_histogram_timedelta(names.OPERATION_DURATION, "Duration of operations.", "duration").record(took)

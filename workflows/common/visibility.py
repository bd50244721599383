"""The visibility of an operation: its search attributes and their meaning while it runs, its metrics when it ends.

Contract: nothing here changes an operation. Search attributes are set only if the namespace knows them, because
setting an unknown one would fail the workflow task for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from mooring import names
    from mooring.commands import filled_in
    from mooring.states import State, guidance, meaning

if TYPE_CHECKING:
    from mooring.models import OperationLimits, VolumeRef

_DRIVER = SearchAttributeKey.for_keyword(names.CSI_DRIVER)
_VOLUME = SearchAttributeKey.for_keyword(names.VOLUME_ID)
_NODE = SearchAttributeKey.for_keyword(names.NODE_ID)
_STATE = SearchAttributeKey.for_keyword(names.ATTACHMENT_STATE)


def show(limits: OperationLimits, volume: VolumeRef, node_id: str, state: State, details: str = "") -> None:
    """Set the run's search attributes and details."""
    explain(state, details, volume.volume_handle, node_id)
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
    workflow.set_current_details(guidance(state))
    if search_attributes:
        workflow.upsert_search_attributes([_DRIVER.value_set(driver), _STATE.value_set(state)])


def show_node(limits: OperationLimits, driver: str, node_id: str, state: State, details: str) -> None:
    """Set the search attributes and details of a run that is about a node."""
    explain(state, details, "", node_id)
    if limits.search_attributes:
        workflow.upsert_search_attributes(
            [_DRIVER.value_set(driver), _NODE.value_set(names.short(node_id)), _STATE.value_set(state)]
        )


def explain(state: State, details: str, volume: str, node_id: str) -> None:
    """Set these details of the run, in Markdown, with the meaning of the state, and its commands for this volume and node.

    NB: details of a run that waits for proof have its advice already, with the names of the node in its commands.
    """
    told = meaning(state) if details and state is State.AWAITING_PROOF else filled_in(guidance(state), volume, node_id)
    workflow.set_current_details("\n\n".join(filter(None, (details, told))))


def count(kind: str, outcome: str) -> None:
    """Count an ended operation and its duration; the SDK does so once, however often the history is replayed."""
    meter = workflow.metric_meter().with_additional_attributes({"kind": kind, "outcome": outcome})
    meter.create_counter("mooring_operations", "Operations that ended, by kind and outcome.").add(1)
    took = workflow.now() - workflow.info().workflow_start_time
    meter.create_histogram_timedelta(names.OPERATION_DURATION, "Duration of operations.", "duration").record(took)

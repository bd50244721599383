"""Work of the SDK that a simulated world is spared comes out as the SDK's own."""

from __future__ import annotations

import pytest
from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.client import WorkflowExecution
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import encode_search_attributes
from temporalio.exceptions import ApplicationError

from tests.simulation.temporal_core.savings import sparing
from tests.simulation.temporal_server.payloads import CONVERTER

KEY = SearchAttributeKey.for_keyword("State")
STATUS = WorkflowExecutionStatus


def listed(status: WorkflowExecutionStatus.ValueType, state: str) -> WorkflowExecutionInfo:
    """Return a run as a list has it."""
    info = WorkflowExecutionInfo(execution=Execution(workflow_id="publish/v", run_id="r"), status=status, task_queue="q")
    encode_search_attributes(TypedSearchAttributes([SearchAttributePair(KEY, state)]), info.search_attributes)
    return info


def read(info: WorkflowExecutionInfo) -> WorkflowExecution:
    """Read the run as the SDK's client does."""
    return WorkflowExecution._from_raw_info(info, "default", CONVERTER)


def test_a_run_in_a_list_is_read_as_the_sdk_reads_it() -> None:
    info = listed(STATUS.WORKFLOW_EXECUTION_STATUS_RUNNING, "attaching")
    plain = read(info)
    with sparing():
        assert [read(info), read(info)] == [plain, plain]


def test_a_run_that_has_changed_since_it_was_listed_is_read_anew() -> None:
    with sparing():
        read(listed(STATUS.WORKFLOW_EXECUTION_STATUS_RUNNING, "attaching"))
        after = read(listed(STATUS.WORKFLOW_EXECUTION_STATUS_COMPLETED, "attached"))
    assert (after.status and after.status.name, after.typed_search_attributes[KEY]) == ("COMPLETED", "attached")


def test_nothing_is_remembered_once_a_world_has_ended() -> None:
    was = WorkflowExecution._from_raw_info
    with sparing():
        assert was != WorkflowExecution._from_raw_info
    assert was == WorkflowExecution._from_raw_info


async def test_an_error_is_described_as_by_mooring_but_for_its_place_in_the_code() -> None:
    with pytest.raises(ApplicationError) as raised:
        raise ApplicationError("it is refused", type="Refused") from ValueError("for this")
    bare, whole = Failure(), Failure()
    await CONVERTER.encode_failure(raised.value, bare)
    await pydantic_data_converter.encode_failure(raised.value, whole)
    assert whole.stack_trace, "the error has lost its place"
    whole.stack_trace = ""
    assert bare == whole

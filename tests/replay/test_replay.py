"""Histories that open runs may have are replayed by today's workflows: an upgrade strands no operation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from workflows.everything import WORKFLOWS

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    history = WorkflowHistory.from_json(path.stem, path.read_text())

    await Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter).replay_workflow(history)


def test_every_workflow_has_a_history() -> None:
    started = {
        event["workflowExecutionStartedEventAttributes"]["workflowType"]["name"]
        for path in HISTORIES
        for event in json.loads(path.read_text())["events"][:1]
    }

    assert started == {workflow.__name__ for workflow in WORKFLOWS}

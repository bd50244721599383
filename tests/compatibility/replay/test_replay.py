"""Histories that open runs may have are replayed by today's workflows: an upgrade strands no operation."""

from __future__ import annotations

import ast
import base64
import inspect
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

import workflows
from workflows.registry import WORKFLOWS

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


def test_every_patch_is_in_a_history() -> None:
    modules = [import_module(module.name) for module in walk_packages(workflows.__path__, "workflows.")]
    asked = {patch for module in modules for patch in patches(module)}

    missing = asked - {patch for path in HISTORIES for patch in marked(path)}
    where = "tests/compatibility/replay/patches.py"
    assert not missing, f"{missing}: add a scene for each to {where}, and run `python -m tests.compatibility.replay.record`"


def patches(module: ModuleType) -> Iterator[str]:
    """Yield the ids of the patches that a module asks for."""
    for call in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("patched"):
            name = call.args[0]
            yield str(name.value) if isinstance(name, ast.Constant) else str(vars(module)[ast.unparse(name)])


def marked(path: Path) -> Iterator[str]:
    """Yield the ids of the patches that a history has a marker of."""
    for event in json.loads(path.read_text())["events"]:
        marker = event.get("markerRecordedEventAttributes", {})
        if marker.get("markerName") == "core_patch":
            (payload,) = marker["details"]["patch-data"]["payloads"]
            yield json.loads(base64.b64decode(payload["data"]))["id"]

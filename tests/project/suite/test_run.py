"""tests/run.sh runs the searches and the project's programs, and the operations, beside all other tests, and fails where any does.

pytest is a stand-in here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness.repository import ROOT

RUN = ROOT / "tests" / "run.sh"
INTERRUPTED = 2
PARTS = ("others", "searches", "programs", "operations")
PYTEST = """#!/bin/sh
case "$*" in
*--ignore=*) echo "others: $*"; exit {others} ;;
*tests/simulation*) {wait}; echo "searches: $*"; exit {searches} ;;
*tests/workflows*) {wait}; echo "operations: $*"; exit {operations} ;;
*) echo "programs with $HELM: $*"; exit {programs} ;;
esac
"""


def run(folder: Path, wait: str = ":", **ends: int) -> tuple[int, list[str]]:
    """Return the exit code of a run of all, whose parts end so, and the sorted lines that it prints."""
    (folder / "tests").mkdir()
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(RUN, folder / "tests")
    pytest_ = folder / ".venv" / "bin" / "pytest"
    pytest_.write_text(PYTEST.format_map({**dict.fromkeys(PARTS, 0), **ends, "wait": wait}))
    pytest_.chmod(0o755)
    command = ["bash", "tests/run.sh", "--maxfail=1"]
    environ = {**os.environ, "HELM": "a helm"}
    ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)
    return ran.returncode, sorted(ran.stdout.splitlines())


def test_each_test_is_run_once_with_the_options_that_are_given(tmp_path: Path) -> None:
    assert run(tmp_path) == (
        0,
        [
            "operations: --require-real --maxfail=1 tests/adoption tests/evacuation tests/evidence tests/reconciliation "
            "tests/worker tests/workflows",
            "others: --require-real --maxfail=1 --ignore=tests/records/fence --ignore=tests/simulation "
            "--ignore=tests/adoption --ignore=tests/evacuation --ignore=tests/evidence --ignore=tests/reconciliation "
            "--ignore=tests/worker --ignore=tests/workflows --ignore=tests/campaign --ignore=tests/project "
            "--ignore=tests/system/chart",
            "programs with a helm: --require-real --maxfail=1 tests/campaign tests/project tests/system/chart",
            "searches: --require-real --maxfail=1 tests/records/fence tests/simulation",
        ],
    )


@pytest.mark.parametrize("failing", [["others"], ["searches"], ["programs"], ["operations"], ["others", "programs", "operations"]])
def test_a_failure_of_any_fails_the_run(tmp_path: Path, failing: list[str]) -> None:
    code, printed = run(tmp_path, wait=":", **dict.fromkeys(failing, 1))
    assert (code, len(printed)) == (1, 4)


def test_an_interrupt_waits_for_nothing_beside(tmp_path: Path) -> None:
    code, printed = run(tmp_path, others=INTERRUPTED, wait="exec sleep 50")
    assert (code, len(printed)) == (INTERRUPTED, 1)

"""`pytest --require-real`, as `make test` runs it, fails if a test was skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.repository import ROOT

IN_MANY_WAYS = """
import pytest

@pytest.mark.skip(reason="by a decorator")
def test_decorated(): pass

def test_calling(): pytest.skip("by a call")

@pytest.fixture
def missing(): pytest.skip("by a fixture")

def test_asking(missing): pass
"""
AS_A_WHOLE = 'import pytest\npytest.skip("as a whole", allow_module_level=True)\n'
OPTIONAL = 'import pytest\n@pytest.mark.optional\n@pytest.mark.skip(reason="not here")\ndef test_it(): pass\n'


def run_pytest(folder: Path, test: str, assets: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a session of its own with this one file of tests."""
    (folder / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "tests.harness.require_real", "-p", "no:cacheprovider", *options, "test_it.py"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "KUBEBUILDER_ASSETS": assets}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60)


def test_a_skipped_test_fails_however_it_was_skipped(tmp_path: Path) -> None:
    ran = run_pytest(tmp_path, IN_MANY_WAYS, "/assets", "--require-real")
    assert "1 failed, 2 errors in" in ran.stdout
    assert all(f"by a {how}" in ran.stdout for how in ("decorator", "call", "fixture"))


def test_a_skipped_module_fails(tmp_path: Path) -> None:
    assert "1 error in" in run_pytest(tmp_path, AS_A_WHOLE, "/assets", "--require-real").stdout


def test_an_optional_test_may_be_skipped(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, OPTIONAL, "/assets", "--require-real").returncode == pytest.ExitCode.OK


def test_without_the_option_a_skip_is_a_skip(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, IN_MANY_WAYS, "").returncode == pytest.ExitCode.OK


def test_no_test_runs_without_the_real_kubernetes(tmp_path: Path) -> None:
    ran = run_pytest(tmp_path, "def test_it(): pass", "", "--require-real")
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert "set KUBEBUILDER_ASSETS" in ran.stderr


def test_the_whole_suite_is_run_with_it() -> None:
    recipe = subprocess.run(["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "bash tests/run.sh" in recipe
    assert "pytest --require-real" in (ROOT / "tests" / "run.sh").read_text()
    assert "make test" in (ROOT / ".ci" / "run").read_text()

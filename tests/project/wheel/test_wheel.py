"""The wheel takes one name on the top level, and a user's own worker.py, workflows/ and activities/ are neither run nor hidden."""

from __future__ import annotations

import asyncio
import os
import signal
import zipfile
from asyncio.subprocess import PIPE
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

import mooring
from mooring.cli.exit_codes import ExitCode
from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT
from tests.project.wheel.conftest import Installation

BACKEND: Final = """
from mooring.backend import NoBackend

def make():
    print("the backend was made", flush=True)
    return NoBackend()
"""
PLACES: Final = """
import importlib.util, mooring.client

for name in ("mooring", "worker", "workflows", "activities", "tests"):
    spec = importlib.util.find_spec(name)
    print(name, spec and spec.origin)
"""

SLOW: Final = """
import time

print("loading", flush=True)
time.sleep(600)
"""
"""A library that takes long to import."""


def files(wheel: Path) -> set[str]:
    """Return the names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_nothing_is_on_the_top_level_but_mooring(wheel: Path) -> None:
    assert {name.partition("/")[0] for name in files(wheel)} == {"mooring", f"mooring_csi-{mooring.__version__}.dist-info"}


def test_the_wheel_has_every_source_file_and_nothing_else(wheel: Path) -> None:
    workers = [ROOT / "worker.py", *(ROOT / "workflows").rglob("*.py"), *(ROOT / "activities").rglob("*.py")]
    package = [path for path in (ROOT / "mooring").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    expected = {f"mooring/_worker/{path.relative_to(ROOT)}" for path in workers} | {str(path.relative_to(ROOT)) for path in package}
    assert {name for name in files(wheel) if name.startswith("mooring/")} == expected


def test_an_installation_brings_no_module_but_mooring(installation: Installation, tmp_path: Path) -> None:
    ran = replace(installation, folder=tmp_path).run(installation.python, "-c", PLACES)
    first, *others = ran.stdout.splitlines()
    assert first.startswith(f"mooring {installation.environment}")
    assert others == [f"{name} None" for name in ("worker", "workflows", "activities", "tests")]


def test_a_users_program_has_its_own_modules_beside_mooring(installation: Installation) -> None:
    _, worker, workflows, activities, _ = installation.run(installation.python, "-c", PLACES).stdout.splitlines()
    folder = installation.folder
    assert worker == f"worker {folder}/worker.py"
    assert [workflows, activities] == [f"{name} {folder}/{name}/__init__.py" for name in ("workflows", "activities")]


async def test_the_module_run_in_the_users_folder_runs_mooring_s_worker(installation: Installation) -> None:
    async with installation.worker(installation.python, "-m", "mooring", "worker"):
        published = installation.run(installation.python, "-m", "mooring", "publish", "vol-1", "node-a")
    assert published.returncode == 0, published.stderr


async def test_the_command_runs_mooring_s_worker_with_the_users_backend(installation: Installation) -> None:
    (installation.folder / "storage.py").write_text(BACKEND)
    settings = {"MOORING_BACKEND": "storage:make", "PYTHONPATH": str(installation.folder)}
    async with installation.worker(installation.mooring, "worker", **settings) as worker:
        published = installation.run(installation.mooring, "publish", "vol-1", "node-a")
        assert "the backend was made" in worker.child.last_words()
    assert published.returncode == 0, published.stderr


def test_a_backend_in_a_module_of_mooring_s_name_is_refused_by_name(installation: Installation) -> None:
    ran = installation.run(installation.mooring, "worker", MOORING_BACKEND="workflows.storage:make")
    assert ran.returncode == 2
    assert "names a module of Mooring's own; give yours another name than worker, workflows, activities" in ran.stderr


def test_the_command_says_the_version_of_the_checkout(installation: Installation) -> None:
    assert installation.run(installation.mooring, "--version").stdout == f"mooring {mooring.__version__}\n"


def test_kubectl_has_the_command_as_a_plugin(installation: Installation) -> None:
    plugin = installation.environment / "bin" / "kubectl-mooring"
    assert installation.run(plugin, "--version").stdout == f"mooring {mooring.__version__}\n"


@pytest.mark.parametrize("command", [["bin/mooring"], ["bin/kubectl-mooring"], ["bin/python", "-m", "mooring"]])
async def test_an_interrupt_while_the_command_loads_ends_it_without_a_traceback(
    installation: Installation, command: list[str]
) -> None:
    (installation.folder / "typer.py").write_text(SLOW)
    program, *arguments = command
    environ = {**os.environ, **installation.settings, "PYTHONPATH": str(installation.folder)}
    loading = await asyncio.create_subprocess_exec(
        installation.environment / program, *arguments, "--help", stdout=PIPE, stderr=PIPE, env=environ
    )
    assert loading.stdout is not None
    assert await asyncio.wait_for(loading.stdout.readline(), PATIENCE) == b"loading\n"

    loading.send_signal(signal.SIGINT)

    assert await asyncio.wait_for(loading.communicate(), PATIENCE) == (b"", b"Interrupted.\n")
    assert loading.returncode == ExitCode.INTERRUPTED

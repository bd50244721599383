"""The wheel, and an environment that has it installed and knows nothing of the repository but its dependencies."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mooring.devstack.ports import HOST, free_port
from mooring.devstack.process import Child, running
from mooring.devstack.temporal import DevTemporal
from tests.harness.processes import WorkerProcess
from tests.harness.repository import ROOT

STRANGER = "raise SystemExit('the user\\'s own module was run')\n"


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment with the wheel, a folder of a user who has modules of the same names as Mooring's, and a Temporal server."""

    environment: Path
    folder: Path
    settings: Mapping[str, str]

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.environment / "bin" / "python"

    @property
    def mooring(self) -> Path:
        """The environment's command."""
        return self.environment / "bin" / "mooring"

    def run(self, *command: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end in the user's folder."""
        environ = {**os.environ, **self.settings, **settings}
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False, timeout=60)

    @asynccontextmanager
    async def worker(self, *command: str | Path, **settings: str) -> AsyncIterator[WorkerProcess[Child]]:
        """Yield the worker that the command runs in the user's folder, ready."""
        address = f"{HOST}:{free_port()}"
        environ = {**os.environ, **self.settings, "MOORING_HTTP_ADDRESS": address, **settings}
        async with running(command, self.folder / "worker.log", self.folder, environ) as child:
            yield await WorkerProcess(f"http://{address}", child).ready()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it. Its dependencies are this environment's, without what is installed as editable."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", f"{folder}/bin/python", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], capture_output=True, check=True, timeout=60)
    site = sysconfig.get_path("purelib", vars={"base": str(folder)})
    # NB: the .pth files of a folder that a .pth file names are not read, so the checkout is not on the path.
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


@pytest.fixture
def installation(environment: Path, temporal: DevTemporal, driver: str, tmp_path: Path) -> Installation:
    """The environment, with a user's folder that has a worker.py, workflows/ and activities/ of its own."""
    folder = tmp_path / "user"
    for module in ("workflows", "activities"):
        (folder / module).mkdir(parents=True)
        (folder / module / "__init__.py").write_text(STRANGER)
    (folder / "worker.py").write_text(STRANGER)
    settings = {
        **temporal.environ,
        "MOORING_DRIVER": driver,
        "MOORING_KUBERNETES": "off",
        "PYTHONPATH": "",
    }
    return Installation(environment, folder, settings)

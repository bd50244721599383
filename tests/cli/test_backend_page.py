"""docs/backend.md: its backend is loaded by a worker, its driver stands behind the endpoint, and its commands do what it says."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from mooring.cli.exit_codes import ExitCode
from mooring.devstack.ports import HOST
from mooring.devstack.process import running
from mooring.models import DEFAULT_DRIVER
from tests.cli.conftest import Mooring
from tests.harness.cluster import Cluster
from tests.harness.repository import ROOT

PAGE: Final = (ROOT / "docs" / "backend.md").read_text()
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
[MODULE] = [text for language, text in BLOCKS if language == "python"]
[LAYER] = [text for language, text in BLOCKS if language == "dockerfile"]
SHELLS: Final = [[line.removeprefix("$ ") for line in text.splitlines()] for language, text in BLOCKS if language == "console"]
VOLUME: Final = "vol-0001"


def shell(part: str) -> Sequence[str]:
    """Return the commands of the first block that has a command with this part."""
    return next(lines for lines in SHELLS if any(part in each for each in lines))


def assigned(command: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables that a command is given, and the rest of it."""
    words = shlex.split(command)
    number = next(index for index, word in enumerate(words) if "=" not in word)
    return dict(word.split("=", 1) for word in words[:number]), words[number:]


@pytest.fixture
def folder(tmp_path: Path, driver: str) -> Path:
    """The folder that the page's shells are in."""
    (tmp_path / "disks.py").write_text(MODULE)
    return tmp_path


@asynccontextmanager
async def run_in(folder: Path, command: str, environment: dict[str, str]) -> AsyncIterator[None]:
    """Run the page's command in the folder while the block lasts, for the test's driver."""
    given, words = assigned(command.replace("$PWD", str(folder)).replace(DEFAULT_DRIVER, environment["MOORING_DRIVER"]))
    path = ":".join(filter(None, [given.pop("PYTHONPATH", ""), str(ROOT)]))
    bare = {"MOORING_NODE_CHECK": "off", "MOORING_ADOPT": "false", "MOORING_HTTP_ADDRESS": f"{HOST}:0"}
    program = [sys.executable, *(words[1:] if words[0] == "python" else ["-m", *words])]
    async with running(program, folder / f"{words[1]}.log", folder, environment | bare | given | {"PYTHONPATH": path}):
        yield


async def do(run: Mooring, commands: Sequence[str], folder: Path) -> list[str]:
    """Run commands, of which those that say so are refused; return what those show that aren't Mooring's."""
    shown: list[str] = []
    for command in commands:
        words, refused = shlex.split(command, comments=True), "# refused" in command
        if words[0] == "mooring":
            ran = await run(*words[1:])
            assert ran.code == (ExitCode.REFUSED if refused else ExitCode.OK), ran
        else:
            shown.append((folder / words[-1]).read_text())
    return shown


async def test_its_backend_attaches_and_detaches(cluster: Cluster, environment: dict[str, str], run: Mooring, folder: Path) -> None:
    await cluster.create(VOLUME)
    async with run_in(folder, shell("MOORING_BACKEND=")[0], environment):
        [shown] = await do(run, shell("cat disks/"), folder)

    attached, left = (json.loads(each) for each in (shown, (folder / "disks" / f"{VOLUME}.json").read_text()))
    assert (attached["node"], left["node"]) == ("worker-1", "")
    assert 0 < attached["token"] < left["token"]


async def test_its_driver_attaches_behind_the_endpoint(
    cluster: Cluster, environment: dict[str, str], run: Mooring, folder: Path
) -> None:
    await cluster.create(VOLUME)
    async with run_in(folder, shell("tests.harness.driver")[0], environment), run_in(folder, shell("mooring csi")[0], environment):
        [shown] = await do(run, shell("grep attach"), folder)

    assert [entry["event"] for entry in map(json.loads, shown.splitlines()) if entry["event"] in ("attach", "detach")] == ["attach"]


def test_its_layer_has_what_the_worker_was_given() -> None:
    [worker] = shell("MOORING_BACKEND=")
    given, _ = assigned(worker)
    layer = dict(word.split("=", 1) for word in re.findall(r"^ENV (.*)$", LAYER, re.MULTILINE)[0].split())

    assert layer["MOORING_BACKEND"] == given["MOORING_BACKEND"]
    assert f"COPY disks.py {layer['PYTHONPATH']}/" in LAYER

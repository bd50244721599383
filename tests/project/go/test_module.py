"""The Go module: its own tests pass on the real server, and a program elsewhere imports it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from mooring.devstack.temporal import DevTemporal
from mooring.models import DEFAULT_DRIVER
from tests.harness.cluster import Cluster
from tests.harness.workers import quick, running_worker
from tests.project.go.conftest import COMPILE_SECONDS, RUN_SECONDS, SOURCES, built, ran
from worker import MooringWorker

pytestmark = pytest.mark.timeout(COMPILE_SECONDS + 100)  # whichever is the first of these may compile with cold caches

VOLUMES: Final = ("go-1", "go-2")


async def test_it_is_vetted_and_formatted(go: Path) -> None:
    await built(go, "vet", "./...")

    assert await built(go.with_name("gofmt"), "-l", ".") == ""


async def test_its_own_tests_pass_on_the_real_server_and_none_is_skipped(
    go: Path, worker: MooringWorker, temporal: DevTemporal, cluster: Cluster, driver: str, tmp_path: Path
) -> None:
    tests = tmp_path / "mooring.test"
    await built(go, "test", "-c", "-o", tests, ".")
    for volume in VOLUMES:
        await cluster.create(volume)

    env = {"HOME": str(tmp_path), "MOORING_TEST_DRIVER": driver, **temporal.environ}
    tried = await ran(tests, "-test.v", seconds=3 * RUN_SECONDS, env=env)

    assert tried.code == 0, tried.out
    assert len(re.findall(r"^--- PASS", tried.out, re.MULTILINE)) == len(written_tests())
    assert "--- SKIP" not in tried.out


def written_tests() -> list[str]:
    return [name for path in SOURCES.glob("*_test.go") for name in re.findall(r"^func (Test\w+)", path.read_text(), re.MULTILINE)]


async def test_the_program_of_its_readme_imports_it_from_elsewhere_and_runs(
    go: Path, temporal: DevTemporal, tmp_path: Path
) -> None:
    [program] = re.findall(r"```go\n(.*?)```", (SOURCES / "README.md").read_text(), re.DOTALL)
    (tmp_path / "main.go").write_text(program)
    theirs = (SOURCES / "go.mod").read_text().replace("module mooring/go", "module example.test/driver")
    (tmp_path / "go.mod").write_text(f"{theirs}\nrequire mooring/go v0.0.0\n\nreplace mooring/go => {SOURCES}\n")
    shutil.copy(SOURCES / "go.sum", tmp_path)

    await built(go, "build", "-o", "program", ".", cwd=tmp_path)
    async with running_worker(await temporal.connect(), quick(DEFAULT_DRIVER, kubernetes="off"), {}):
        printed = await ran(tmp_path / "program", seconds=RUN_SECONDS, env={"HOME": str(tmp_path), **temporal.environ})

    assert (printed.code, printed.out) == (0, "map[] 1\n"), printed.err

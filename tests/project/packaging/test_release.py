"""The commit as a whole: one version everywhere, and no machine's own set-up."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import yaml

import mooring
from tests.harness.releases import LAST, version_of
from tests.harness.repository import ROOT

# Put together here, so that this file names none of them either.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("registry", "npmjs", "org"),
        ("deb", "debian", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("registry", "k8s", "io"),
    )
]


def committed() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_the_package_and_its_metadata_have_one_version() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == mooring.__version__


def test_compose_builds_the_image_of_this_version() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert services["worker"]["image"] == f"mooring:{mooring.__version__}"


def test_the_changelog_has_this_version() -> None:
    assert f"## [{mooring.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_sources_of_this_version_are_kept_for_the_tests_of_the_next() -> None:
    assert str(version_of(LAST)) == mooring.__version__


def test_no_file_names_a_registry_host() -> None:
    for path in committed():
        text = path.read_bytes().decode(errors="ignore")
        assert not [host for host in REGISTRIES if host in text], path


def test_no_file_has_the_marks_of_a_merge() -> None:
    marks = [mark * 7 for mark in ("<", ">")]

    for path in committed():
        lines = path.read_bytes().decode(errors="ignore").splitlines()
        assert not [line for line in lines if line.startswith(tuple(f"{mark} " for mark in marks))], path

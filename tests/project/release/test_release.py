"""A release of a copy of this checkout: the version moves everywhere, and what is released is whole, checked and signed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import pytest
import yaml

from mooring import __version__
from release.sources import KEPT
from release.version import CHANGELOG, PLACES, NotReleased, move, notes
from tests.harness.chart import Helm
from tests.harness.repository import ROOT

VERSION: Final = "7.0.0"
DAY: Final = "2031-02-03"


def run(cwd: Path, *command: str | Path, seconds: float = 60) -> str:
    """Return the output of a command, which must succeed."""
    return subprocess.run(list(map(str, command)), cwd=cwd, check=True, capture_output=True, text=True, timeout=seconds).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the files of this one, and something to release."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    listed = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard", "--", ":!tests", ":!docs/images")
    names = [name for name in listed.splitlines() if (ROOT / name).is_file()]
    files = subprocess.run(["tar", "-c", "-T", "-"], cwd=ROOT, input="\n".join(names).encode(), capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=folder, input=files.stdout, check=True)
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "config", "user.name", "somebody")
    run(folder, "git", "config", "user.email", "somebody@mooring.test")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "before")
    return folder


def release(checkout: Path, helm: Helm, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    environ = {**os.environ, "HELM": helm.path, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-m", "release", *map(str, arguments)]
    return subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, check=False, timeout=300)


def documented(folder: Path, public: Path) -> list[str]:
    """Return what the commands print that docs/install.md has for whoever takes the files of a release."""
    commands = re.findall(r"\$ ((?:openssl|sha256sum) .*)", (ROOT / "docs" / "install.md").read_text())
    assert len(commands) == 2
    return [line for each in commands for line in run(folder, *each.replace("mooring.pub", str(public)).split()).splitlines()]


def test_a_release_is_whole_checked_and_signed(checkout: Path, helm: Helm, tmp_path: Path) -> None:
    key, public = tmp_path / "key.pem", tmp_path / "mooring.pub"
    run(tmp_path, "openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key)
    run(tmp_path, "openssl", "ec", "-in", key, "-pubout", "-out", public)

    ran = release(checkout, helm, VERSION, "--key", key)

    assert ran.returncode == 0, ran.stderr
    folder = checkout / "dist" / VERSION
    verified, *checked = documented(folder, public)
    assert verified == "Verified OK"
    assert {line.partition(":")[0] for line in checked} == {p.name for p in folder.iterdir()} - {"SHA256SUMS", "SHA256SUMS.sig"}
    with zipfile.ZipFile(folder / f"mooring_csi-{VERSION}-py3-none-any.whl") as wheel:
        assert f'__version__ = "{VERSION}"' in wheel.read("mooring/__init__.py").decode()
    with tarfile.open(folder / f"mooring-{VERSION}.tgz") as chart:
        assert yaml.safe_load(chart.extractfile("mooring/Chart.yaml") or b"")["appVersion"] == VERSION
        assert "mooring/files/rbac.yaml" in {member.name for member in chart.getmembers() if member.isfile()}
    components = json.loads((folder / f"mooring-{VERSION}.cdx.json").read_text())["components"]
    assert {"temporalio", "kubernetes"} <= {component["name"] for component in components}
    with tarfile.open(checkout / KEPT / f"mooring-{VERSION}.tar.xz") as sources:
        assert f'__version__ = "{VERSION}"' in (sources.extractfile("mooring/__init__.py") or b"").read().decode()  # type: ignore[union-attr]
        assert {"worker.py", "workflows/registry.py", "deploy/chart/Chart.yaml"} <= set(sources.getnames())
    assert (folder / "NOTES.md").read_text() == notes(ROOT, "Unreleased")
    assert run(checkout, "git", "log", "-1", "--format=%s").strip() == f"Release {VERSION}"
    assert run(checkout, "git", "status", "--porcelain") == ""

    (folder / "NOTES.md").write_text("other notes")
    with pytest.raises(subprocess.CalledProcessError):
        documented(folder, public)


def test_the_version_moves_in_every_place_and_no_image_is_left_at_the_old_one(checkout: Path) -> None:
    move(checkout, VERSION, DAY)
    for name, place in PLACES:
        assert place.replace("{}", VERSION) in (checkout / name).read_text()
    for path in [
        checkout / "docker-compose.yml",
        *(checkout / "deploy").rglob("*.yaml"),
        *checkout.glob("*.md"),
        *checkout.rglob("docs/*.md"),
    ]:
        assert f"mooring:{__version__}" not in path.read_text(), path
    assert f"## [Unreleased]\n\n## [{VERSION}] - {DAY}\n" in (checkout / CHANGELOG).read_text()


@pytest.mark.parametrize("version", ["0.0.9", __version__, "next", "1.2"])
def test_a_version_that_is_none_or_not_above_the_present_one_is_refused(checkout: Path, version: str) -> None:
    with pytest.raises(NotReleased, match="is no version above"):
        move(checkout, version, DAY)


def test_a_file_that_lacks_its_place_is_named_and_nothing_is_changed(checkout: Path) -> None:
    (checkout / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(NotReleased, match="Dockerfile lacks"):
        move(checkout, VERSION, DAY)
    assert f'"{__version__}"' in (checkout / "pyproject.toml").read_text()


def test_changes_that_are_not_committed_are_named_and_nothing_is_made(checkout: Path, helm: Helm) -> None:
    (checkout / "README.md").write_text("changed")
    ran = release(checkout, helm, VERSION)
    assert (ran.returncode, "README.md" in ran.stderr) == (1, True)
    assert not (checkout / "dist").exists()

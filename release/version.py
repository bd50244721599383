"""The version, in every file that names it, and its section of the changelog.

Invariant: `PLACES` are all of them. A file that lacks its place is a fault, so that none is left behind in silence.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

PLACES: Final = (
    ("pyproject.toml", '\nversion = "{}"\n'),
    ("mooring/__init__.py", '__version__ = "{}"\n'),
    ("Dockerfile", 'image.version="{}"'),
    ("deploy/chart/Chart.yaml", "\nversion: {}\nappVersion: {}\n"),
    ("deploy/kubernetes/worker.yaml", "image: mooring:{}\n"),
    ("deploy/kubernetes/csi.yaml", "image: mooring:{}\n"),
    ("docker-compose.yml", "image: mooring:{}\n"),
    ("README.md", "mooring:{}"),
    ("docs/install.md", "mooring:{}"),
    ("docs/install.md", "mooring_csi-{}-"),
)
CHANGELOG: Final = "CHANGELOG.md"
UNRELEASED: Final = "Unreleased"


class NotReleased(Exception):
    """A release that can't be made. Nothing was changed."""


def present(root: Path) -> str:
    """Return the version that the sources have."""
    [found] = re.findall(r'__version__ = "(.+)"', (root / "mooring" / "__init__.py").read_text())
    return str(found)


def notes(root: Path, version: str) -> str:
    """Return the changelog's section of a version, or of what is unreleased, without its heading; empty if there is none."""
    section = rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|\Z)"
    found = re.search(section, (root / CHANGELOG).read_text(), re.MULTILINE | re.DOTALL)
    return f"{found[1].strip()}\n" if found and found[1].strip() else ""


def move(root: Path, version: str, day: str) -> None:
    """Write the version into every place, and name the changelog's unreleased section after it.

    Raises:
        NotReleased: it is no version above the present one, nothing is unreleased, or a file lacks its place.

    """
    before = present(root)
    if not re.fullmatch(r"\d+\.\d+\.\d+", version) or _numbers(version) <= _numbers(before):
        raise NotReleased(f"{version} is no version above {before}: name one as 1.2.3.")
    if not notes(root, UNRELEASED):
        raise NotReleased(f"{CHANGELOG} has nothing under Unreleased: there is nothing to release.")
    texts = {root / name: (root / name).read_text() for name, _ in PLACES}
    for name, place in PLACES:
        old, new = (place.replace("{}", each) for each in (before, version))
        if old not in texts[root / name]:
            raise NotReleased(f"{name} lacks {old.strip()!r}: correct it, or where release/version.py looks for it.")
        texts[root / name] = texts[root / name].replace(old, new)
    changelog = root / CHANGELOG
    texts[changelog] = changelog.read_text().replace(f"## [{UNRELEASED}]\n", f"## [{UNRELEASED}]\n\n## [{version}] - {day}\n", 1)
    for path, text in texts.items():
        path.write_text(text)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]

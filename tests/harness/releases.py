"""The sources of released versions, as each release keeps them for the tests of the next."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Final

from packaging.version import Version

from release.sources import KEPT
from tests.harness.repository import ROOT

CHART: Final = "deploy/chart"


def version_of(archive: Path) -> Version:
    """Return the version that an archive has."""
    return Version(archive.name.removeprefix("mooring-").removesuffix(".tar.xz"))


RELEASED: Final = sorted((ROOT / KEPT).glob("mooring-*.tar.xz"), key=version_of)
FIRST: Final = RELEASED[0]
"""0.1.0, which knows least."""
LAST: Final = RELEASED[-1]


def unpacked(archive: Path, folder: Path) -> Path:
    """Return the folder with the archive's sources."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder

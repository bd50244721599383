"""The sources that the tests of later versions run beside their own: what a worker is made of, and how it is installed.

Contract: the archive is the same, to the byte, for the same files.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Final

PARTS: Final = ("worker.py", "workflows", "activities", "mooring", "deploy/chart", "deploy/kubernetes", "deploy/monitoring")
KEPT: Final = "tests/compatibility/rolling"


def keep(root: Path, version: str, folder: Path) -> Path:
    """Write the archive of the sources as they are into a folder, under this version; return its path."""
    file = folder / f"mooring-{version}.tar.xz"
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:xz", format=tarfile.PAX_FORMAT) as archive:
        for name in _tracked(root):
            _add(archive, root, name)
    return file


def _tracked(root: Path) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--", *PARTS]
    listed = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
    return sorted(filter(None, listed.split("\0")))


def _add(archive: tarfile.TarFile, root: Path, name: str) -> None:
    entry = archive.gettarinfo(root / name, name)
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    archive.addfile(entry, io.BytesIO((root / name).read_bytes()) if entry.isreg() else None)

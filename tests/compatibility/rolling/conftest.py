"""The version before, as it was released."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

BEFORE = Path(__file__).with_name("mooring-0.1.0.tar.xz")


@pytest.fixture(scope="package")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worker.py of the version before."""
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(BEFORE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "worker.py"

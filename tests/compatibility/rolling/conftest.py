"""The first version, as it was released."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.releases import FIRST, unpacked


@pytest.fixture(scope="package")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worker.py of 0.1.0."""
    return unpacked(FIRST, tmp_path_factory.mktemp("before")) / "worker.py"

"""The chart as it renders for a user who wants everything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.chart import ALL, Helm


@pytest.fixture
async def rendered(helm: Helm) -> list[dict[str, Any]]:
    """The chart's objects where everything is wanted."""
    return await helm.render(ALL)

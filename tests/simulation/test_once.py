"""The stories in which a promise was broken once break none."""

from __future__ import annotations

import pytest

from tests.harness.patience import COMPUTING
from tests.simulation.campaign.once import ONCE
from tests.simulation.test_campaign import campaign

pytestmark = pytest.mark.timeout(COMPUTING)


@pytest.mark.parametrize("story", ONCE)
async def test_a_story_that_once_broke_a_promise_breaks_none(story: str) -> None:
    code, said = await campaign("--story", story, "--shrink", "0")
    assert code == 0, f"{ONCE[story]}\n{said}"

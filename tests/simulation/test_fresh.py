"""Worlds of a seed that was never used break no promise; the seed is in the failure, and has them live again.

NB: so this is the only test of the suite that may fail where nothing has changed, which is what it is for.
"""

from __future__ import annotations

import secrets
from typing import Final

import pytest

from tests.simulation.test_campaign import campaign

pytestmark = pytest.mark.timeout(600)
OPERATIONS: Final = 1200
"""Operations of less than a minute of a core."""


async def test_worlds_of_a_fresh_seed_break_no_promise() -> None:
    seed = secrets.token_hex(4)
    code, said = await campaign("--operations", str(OPERATIONS), "--seed", seed, "--shrink", "0")
    assert code == 0, f"`make simulate OPERATIONS={OPERATIONS} SEED={seed}` has these worlds live again.\n{said}"

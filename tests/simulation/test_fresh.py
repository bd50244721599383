"""Worlds of a seed that was never used break no promise; the seed is in the failure, and has them live again.

The seed is that of the sources: every change of them comes with worlds of its own, and on the same ones everybody sees the same.
"""

from __future__ import annotations

import hashlib
from typing import Final

import pytest

from tests.harness.patience import COMPUTING
from tests.harness.repository import ROOT
from tests.simulation.test_campaign import campaign

pytestmark = pytest.mark.timeout(COMPUTING)
OPERATIONS: Final = 1200
"""Operations of less than a minute of a core."""
DIGITS: Final = 8


def fresh_seed() -> str:
    """Return a seed that the deployed code and the simulation, as they are, have for themselves."""
    found = hashlib.sha256()
    for folder in ("activities", "mooring", "workflows", "tests/simulation"):
        for source in sorted((ROOT / folder).rglob("*.py")):
            found.update(source.read_bytes())
    return found.hexdigest()[:DIGITS]


async def test_worlds_of_a_fresh_seed_break_no_promise() -> None:
    seed = fresh_seed()
    code, said = await campaign("--operations", str(OPERATIONS), "--seed", seed, "--shrink", "0")
    assert code == 0, f"`make simulate OPERATIONS={OPERATIONS} SEED={seed}` has these worlds live again.\n{said}"

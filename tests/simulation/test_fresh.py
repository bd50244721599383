"""Worlds of a seed that was never used break no promise; the seed is in the failure, and has them live again.

The seed is that of the commit's sources: every change comes with worlds of its own, and on one commit everybody sees the same.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
from typing import Final

import pytest

from tests.harness.repository import ROOT
from tests.simulation.test_campaign import campaign

pytestmark = pytest.mark.timeout(600)
OPERATIONS: Final = 1200
"""Operations of less than a minute of a core."""
DIGITS: Final = 8


def fresh_seed() -> str:
    """Return a seed that the sources of this commit have for themselves, or any where there is no repository."""
    git = shutil.which("git") or "true"
    found = subprocess.run((git, "rev-parse", "HEAD^{tree}"), cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    return found.stdout[:DIGITS] or secrets.token_hex(DIGITS // 2)


async def test_worlds_of_a_fresh_seed_break_no_promise() -> None:
    seed = fresh_seed()
    code, said = await campaign("--operations", str(OPERATIONS), "--seed", seed, "--shrink", "0")
    assert code == 0, f"`make simulate OPERATIONS={OPERATIONS} SEED={seed}` has these worlds live again.\n{said}"

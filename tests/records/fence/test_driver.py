"""At a driver that enforces the fencing tokens only the record's holders have a volume, and no rule of it can be left out.

Reached by two operations, of which one may be a reset of the other; 3 without resets were searched once (1.2 million states).
"""

from __future__ import annotations

import pytest

from mooring.models import AccessMode
from tests.harness.patience import COMPUTING
from tests.records.fence.explorer import tokens
from tests.records.fence.explorer.search import search
from tests.records.fence.explorer.world import Bounds

SINGLE = AccessMode.SINGLE_NODE_WRITER
MULTI = AccessMode.MULTI_NODE_MULTI_WRITER

TWO = Bounds(operations=2, resets=False, any_index=False)
RUN_AND_RESET = Bounds(operations=2, any_index=False)
THREE = Bounds(operations=3, resets=False, any_index=False)
TWO_AND_RESET = Bounds(operations=3, any_index=False)

LEFT_OUT = [
    (tokens.UndoBearsItsAttachsToken(SINGLE), TWO),
    (tokens.TokenIsTheEpoch(SINGLE), TWO),
    (tokens.DetachBearsTheNextEpoch(SINGLE), THREE),
    (tokens.DetachedOnceForAll(SINGLE), TWO),
    (tokens.AttachesOnAFormerClaim(SINGLE), RUN_AND_RESET),
    (tokens.CancelledAndRefusedAtOnce(SINGLE), RUN_AND_RESET),
    (tokens.DetachesOnAFormerLook(SINGLE), TWO_AND_RESET),
]


@pytest.mark.timeout(COMPUTING)
@pytest.mark.parametrize(("mode", "bounds"), [(SINGLE, RUN_AND_RESET), (MULTI, TWO)])
def test_who_has_a_volume_at_the_driver_is_named_by_the_record(mode: AccessMode, bounds: Bounds) -> None:
    found = search(tokens.WithDriver(mode), bounds)
    print(f"\n{mode}: {found}")  # noqa: T201 - the counts are what the search is worth
    assert not found.trace, str(found)
    assert found.states > 10_000


@pytest.mark.timeout(COMPUTING)
@pytest.mark.parametrize(("rules", "bounds"), LEFT_OUT, ids=lambda given: type(given).__name__ if hasattr(given, "mode") else "")
def test_a_rule_of_the_tokens_left_out_is_caught(rules: tokens.WithDriver, bounds: Bounds) -> None:
    found = search(rules, bounds)
    print(f"\n{type(rules).__doc__}\n{found}")  # noqa: T201 - a trace is the reason for its rule
    assert found.trace, f"{found}: nothing is wrong without it"

"""Several PVs of one volume are safe in every state that the search reaches, and no rule of theirs can be left out.

`pytest -s` shows counts and traces.
"""

from __future__ import annotations

import pytest

from tests.harness.patience import COMPUTING
from tests.records.fence.several import switches
from tests.records.fence.several.rules import Rules
from tests.records.fence.several.search import search
from tests.records.fence.several.world import Bounds

UP_TO_DATE = Bounds(operations=2, created=2, deleted=0, lag=False)
BEHIND = Bounds(operations=2, created=2, deleted=1, lag=True)
MADE_ANEW = Bounds(operations=2, created=3, deleted=1, lag=True)

LEFT_OUT = [
    (switches.OnePvIsHome(), BEHIND),
    (switches.OnePvIsRead(), UP_TO_DATE),
    (switches.OthersUntested(), BEHIND),
    (switches.NoEpochTested(), UP_TO_DATE),
    (switches.RefusedIsDead(), UP_TO_DATE),
    (switches.RollbackForgets(), BEHIND),
    (switches.NameIsEnough(), MADE_ANEW),
    (switches.RecordsLeadNowhere(), BEHIND),
    (switches.FreeRecordsLeadNowhere(), BEHIND),
    (switches.AnEpochIsTheLastWord(), BEHIND),
    (switches.FinalThoughInPart(), UP_TO_DATE),
    (switches.EpochOfTheFirst(), UP_TO_DATE),
    (switches.CopiesUntested(), UP_TO_DATE),
    (switches.OwnClaimStays(), UP_TO_DATE),
]


@pytest.mark.timeout(COMPUTING)
@pytest.mark.parametrize("bounds", [UP_TO_DATE, BEHIND], ids=["up-to-date", "behind"])
def test_every_state_is_safe(bounds: Bounds) -> None:
    found = search(Rules(), bounds)
    print(f"\n{bounds}: {found}")  # noqa: T201 - the counts are what the search is worth
    assert not found.trace, str(found)
    assert found.states > 50_000


@pytest.mark.timeout(COMPUTING)
@pytest.mark.parametrize(("rules", "bounds"), LEFT_OUT, ids=lambda given: type(given).__name__ if isinstance(given, Rules) else "")
def test_a_rule_left_out_is_caught(rules: Rules, bounds: Bounds) -> None:
    found = search(rules, bounds)
    print(f"\n{type(rules).__doc__}\n{found}")  # noqa: T201 - a trace is the reason for its rule
    assert found.trace, f"{found}: nothing is wrong without it"

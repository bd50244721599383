"""The hold of a volume without a PV is safe as far as it is searched, and no rule of it can be left out.

`pytest -s` shows counts and traces.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.records.fence.waiting import switches
from tests.records.fence.waiting.rules import Rules, signed
from tests.records.fence.waiting.search import search
from tests.records.fence.waiting.state import START, Fate, Found, Hold, Record, Run, World
from tests.records.fence.waiting.world import Bounds

ALONE = Bounds(operations=2, operators=False, records=False, late=False, states=40_000)
OPERATORS = Bounds(operations=2, records=False, late=False, states=40_000)
WITH_RECORDS = Bounds(operations=2, operators=False, late=False, states=40_000)
LATE = Bounds(operations=2, operators=False, records=False, states=40_000)
DEEP = Bounds(operations=2, records=False, late=False)
TWO_MORE = Bounds(operations=3, operators=False, records=False, late=False, states=40_000)
ASKS = Bounds(operations=4, operators=False, records=False, late=False, asks=True, states=40_000)
HOLD_RESETS = Bounds(operations=3, operators=False, records=False, late=False, hold_resets=1, states=40_000)
FORGOTTEN = Bounds(operations=5, operators=False, records=False, late=False, hold_resets=1, forgets=True, states=40_000)
GONE = Bounds(operations=3, operators=False, records=False, late=False, gone=1, states=40_000)
GONE_LATER = Bounds(operations=6, operators=False, records=False, late=False, gone=1, states=20_000)
GONE_AND_RESET = replace(FORGOTTEN, operations=4, gone=1)
ITS_HOLD_RESET = replace(HOLD_RESETS, operations=1)
BOTH_RESET = Bounds(operations=3, records=False, late=False, resets=True, hold_resets=1, states=40_000)
RESET = Bounds(operations=3, records=False, late=False, resets=True, states=40_000)

HOLD = Hold(1, "A", 1, Fate.SUCCEEDED, learnt=True, step="waits", settled=True)
PUBLISHED = World(hold=HOLD, backend=frozenset("A"), believed=frozenset("A"), operations=1, held=1)
"""Operation 1 has published the volume to A."""
UNPUBLISHING = Run("unpublish", "A", 2, step="end hold", waiting=Found(1, "A", 1, ending=False, by=2))
BEFORE_THE_END = PUBLISHED._replace(
    backend=frozenset(), believed=frozenset(), operations=2, run=UNPUBLISHING._replace(found=UNPUBLISHING.waiting)
)
"""Operation 2 has had the backend detach from A, and is about to end its hold."""
RELIED_ON = PUBLISHED._replace(operations=3, asks=frozenset({(1, 2)}))
"""Operation 2 is over, its request to end the hold is under way, and operation 3 has published the volume to A again."""
RECORDED = PUBLISHED._replace(pv=Record(1, 1, ("A",), signed(1, 1)), makers=(signed(1, 1),), hold=None, over=HOLD)
"""The hold has recorded A, and ended."""
MOVED_ON = World(
    pv=Record(1, 3, ("B",), 3),
    makers=(3,),
    over=HOLD,
    backend=frozenset("B"),
    believed=frozenset("B"),
    gone=frozenset("A"),
    operations=3,
    held=1,
)
"""The hold of A has ended, A was unpublished, and operation 3 has published the volume to B."""
CAME_BACK = MOVED_ON._replace(hold=HOLD._replace(number=2, revived=True, forgotten=True), gone=frozenset(), held=2)
"""The state after a reset of that hold, of which it is unknown that it was over."""
BEFORE_ITS_ATTACH = PUBLISHED._replace(remembered=Run("publish", "A", 1, step="attach", started=1, own=(1,), has_begun=True))
FOUND = Found(1, "A", 1, ending=False, by=1)
BEFORE_ITS_END = PUBLISHED._replace(
    remembered=Run("publish", "A", 1, step="found", started=1, own=(1,), has_begun=True, begun=True, answer=FOUND)
)
LOOKS_FOR_ITS_HOLD = PUBLISHED._replace(
    believed=frozenset(),
    hold=HOLD._replace(fate=Fate.OPEN),
    run=Run("publish", "A", 1, step="find", started=1, own=(1,), has_begun=True, begun=True, recorded=True),
)
"""Operation 1 has given its hold its word, and is about to look for it."""

SAFE = {
    "alone": (ALONE, START),
    "operators": (OPERATORS, START),
    "records": (WITH_RECORDS, START),
    "late": (LATE, START),
    "two-more": (TWO_MORE, PUBLISHED),
    "late-requests": (ASKS, BEFORE_THE_END),
    "relied-on": (ASKS, RELIED_ON),
    "holds-reset": (HOLD_RESETS, PUBLISHED),
    "ended-hold-reset": (HOLD_RESETS, RECORDED),
    "ended-hold-forgotten": (FORGOTTEN, MOVED_ON),
    "ended-hold-forgotten-departed": (GONE_LATER, CAME_BACK),
    "hold-of-a-publish-reset": (HOLD_RESETS, LOOKS_FOR_ITS_HOLD),
    "hold-of-a-publish-reset-departed": (GONE_AND_RESET, MOVED_ON),
    "both-reset": (BOTH_RESET, BEFORE_ITS_ATTACH),
    "departed": (GONE, RECORDED),
    "departed-later": (GONE, PUBLISHED),
    "reset-before-attach": (RESET, BEFORE_ITS_ATTACH),
    "reset-before-end": (RESET, BEFORE_ITS_END),
}
LEFT_OUT = [
    (switches.EarlyWordIsLost(), ALONE, START),
    (switches.AskedForNothing(), LATE, START),
    (switches.AbsenceProvesRollback(), ALONE, START),
    (switches.TakesNothingBack(), OPERATORS, START),
    (switches.UnpublishEndsHoldFirst(), TWO_MORE, PUBLISHED),
    (switches.RollbackEndsHoldFirst(), ALONE, START),
    (switches.SucceedsWithoutALook(), OPERATORS, START),
    (switches.HoldsByAnEndingRun(), OPERATORS, START),
    (switches.WritesBesideHolds(), ALONE, START),
    (switches.ReleasesNothingBesideHolds(), WITH_RECORDS, START),
    (switches.OwnHoldIsAnothers(), ALONE, START),
    (switches.ForgetsItsWord(), ALONE, START),
    (switches.TakesBackInThePublishsName(), DEEP, START),
    (switches.SignsForItsPublish(), DEEP, START),
    (switches.HeedsTheDead(), ASKS, RELIED_ON),
    (switches.EndsWhatIsEnding(), ASKS, RELIED_ON),
    (switches.EndsOneRunAlone(), HOLD_RESETS, PUBLISHED),
    (switches.ReliesOnWhatIsOver(), HOLD_RESETS, RECORDED),
    (switches.ReliesOnAFoundHoldAlone(), FORGOTTEN, MOVED_ON),
    (switches.RecordsAfterItsEnd(), HOLD_RESETS, RECORDED),
    (switches.ForgetsTheDeparted(), GONE, RECORDED),
    (switches.ClaimsNothingOnWhatGoes(), GONE, RECORDED),
    (switches.TakesBackTheDeparted(), GONE, RECORDED),
    (switches.EndsOnAnothersWord(), RESET, BEFORE_ITS_END),
    (switches.EndsTheFormersHold(), RESET, BEFORE_ITS_ATTACH),
    (switches.EndsTheFormersResetHold(), BOTH_RESET, BEFORE_ITS_ATTACH),
    (switches.LosesItsResetHold(), GONE_AND_RESET, MOVED_ON),
    (switches.LeavesWhatItsResetHoldRecorded(), ITS_HOLD_RESET, LOOKS_FOR_ITS_HOLD),
    (switches.WaitsForItsWordAfterItsEnd(), GONE_AND_RESET, MOVED_ON),
]


@pytest.mark.parametrize("name", SAFE)
def test_every_state_is_safe_and_every_operation_can_end(name: str) -> None:
    found = search(Rules(), *SAFE[name])
    print(f"\n{name}: {found}")  # noqa: T201 - the counts are what the search is worth
    assert not found.trace, str(found)
    assert found.states > 10_000


@pytest.mark.parametrize(
    ("rules", "bounds", "start"), LEFT_OUT, ids=lambda given: type(given).__name__ if isinstance(given, Rules) else ""
)
def test_a_rule_left_out_is_caught(rules: Rules, bounds: Bounds, start: World) -> None:
    found = search(rules, bounds, start)
    print(f"\n{type(rules).__doc__}\n{found}")  # noqa: T201 - a trace is the reason for its rule
    assert found.trace, f"{found}: nothing is wrong without it"

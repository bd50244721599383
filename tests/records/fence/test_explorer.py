"""The protocol holds in every state that can be reached, and no rule of it can be left out. `pytest -s` shows counts and traces."""

from __future__ import annotations

import random

import pytest

from mooring.models import AccessMode
from tests.harness.patience import COMPUTING
from tests.records.fence.explorer import switches
from tests.records.fence.explorer.canonical import canonical
from tests.records.fence.explorer.rules import Rules
from tests.records.fence.explorer.search import search
from tests.records.fence.explorer.state import START
from tests.records.fence.explorer.world import Bounds, moves

SINGLE = AccessMode.SINGLE_NODE_WRITER
MULTI = AccessMode.MULTI_NODE_MULTI_WRITER

EVERYTHING = Bounds()
WITHOUT_RESETS = Bounds(resets=False, any_index=False)
WITH_RESETS = Bounds(any_index=False)
TWO_OPERATIONS = Bounds(operations=2, volumes=2, resets=False, any_index=False)
TWO_ON_ONE_PV = Bounds(operations=2, volumes=1, resets=False, any_index=False)
RUN_AND_RESET = Bounds(operations=2, volumes=1, any_index=False)

LEFT_OUT = [
    (switches.NoBurn(SINGLE), WITHOUT_RESETS),
    (switches.BurnOnlyTheUnheld(MULTI), WITHOUT_RESETS),
    (switches.IdleUnpublish(SINGLE), WITHOUT_RESETS),
    (switches.NoReclaim(SINGLE), WITHOUT_RESETS),
    (switches.UndoesReclaims(SINGLE), WITHOUT_RESETS),
    (switches.SuccessFromMemory(SINGLE), WITHOUT_RESETS),
    (switches.NoOperationId(SINGLE), TWO_OPERATIONS),
    (switches.ReadsAgain(SINGLE), TWO_OPERATIONS),
    (switches.NoUidTested(SINGLE), TWO_OPERATIONS),
    (switches.NoEpochTested(SINGLE), TWO_OPERATIONS),
    (switches.SameIdAfterReset(SINGLE), RUN_AND_RESET),
    (switches.PublishUnawareOfReset(SINGLE), WITH_RESETS),
    (switches.UnpublishUnawareOfReset(SINGLE), WITH_RESETS),
    (switches.UndoUnawareOfReset(SINGLE), WITH_RESETS),
    (switches.LooksOutliveReset(SINGLE), WITH_RESETS),
    (switches.UndoUnderOwnId(SINGLE), WITH_RESETS),
    (switches.DescribesAnothersClaim(SINGLE), WITH_RESETS),
    (switches.HoldersGoWithTheirPv(SINGLE), WITHOUT_RESETS),
    (switches.EpochBeginsAnew(SINGLE), WITHOUT_RESETS),
    (switches.StrippedIsFree(SINGLE), WITHOUT_RESETS),
    (switches.UnpublishFreesAll(SINGLE), WITHOUT_RESETS),
    (switches.UnpublishIsNoWord(SINGLE), WITHOUT_RESETS),
    (switches.FailureIsNoWord(SINGLE), WITHOUT_RESETS),
    (switches.ForgottenClaimStays(SINGLE), WITHOUT_RESETS),
    (switches.ReclaimIsOwn(SINGLE), WITHOUT_RESETS),
    (switches.RefusedUnderAnAttempt(SINGLE), WITHOUT_RESETS),
    (switches.ForgottenAcquisitionIsAnothers(SINGLE), WITHOUT_RESETS),
    (switches.AgainFromMemory(SINGLE), TWO_ON_ONE_PV),
    (switches.LocalRenewal(SINGLE), WITHOUT_RESETS),
    (switches.WakesUpAndWrites(SINGLE), TWO_ON_ONE_PV),
    (switches.WakesUpAndReleases(SINGLE), TWO_ON_ONE_PV),
    (switches.ForgottenIsNoWord(SINGLE), WITHOUT_RESETS),
]


@pytest.mark.timeout(COMPUTING)
@pytest.mark.parametrize("mode", [SINGLE, MULTI])
def test_every_state_is_safe_and_every_operation_can_end(mode: AccessMode) -> None:
    found = search(Rules(mode), EVERYTHING)
    print(f"\n{mode}: {found}")  # noqa: T201 - the counts are what the search is worth
    assert not found.trace, str(found)
    assert found.states > 40_000


@pytest.mark.parametrize(("rules", "bounds"), LEFT_OUT, ids=lambda given: type(given).__name__ if isinstance(given, Rules) else "")
def test_a_rule_left_out_is_caught(rules: Rules, bounds: Bounds) -> None:
    found = search(rules, bounds)
    print(f"\n{type(rules).__doc__}\n{found}")  # noqa: T201 - a trace is the reason for its rule
    assert found.trace, f"{found}: nothing is wrong without it"


@pytest.mark.parametrize("mode", [SINGLE, MULTI])
@pytest.mark.parametrize("bounds", [EVERYTHING, WITH_RESETS])
def test_a_canonical_state_goes_where_the_states_it_stands_for_go(mode: AccessMode, bounds: Bounds) -> None:
    rules, dice = Rules(mode), random.Random(7)  # noqa: S311
    world = START
    for step in range(4_000):
        world = world if step % 20 else START
        ahead = [after for _, after in moves(world, rules, bounds)]
        itself = canonical(world, rules, bounds.any_index)
        stood_for = {canonical(after, rules, bounds.any_index) for after in ahead} | {itself}
        assert {canonical(after, rules, bounds.any_index) for _, after in moves(itself, rules, bounds)} <= stood_for, world
        world = dice.choice(ahead)

"""A story of what was broken: shrunk, told in words, and played again by them."""

from __future__ import annotations

import pytest

from tests.harness.patience import COMPUTING
from tests.simulation.campaign.stories import read, told
from tests.simulation.campaign.world import Plan
from tests.simulation.campaign.worlds import plan
from tests.simulation.test_campaign import campaign

pytestmark = pytest.mark.timeout(COMPUTING)
BUG = ("--bug", "nothing_is_tested", "--shrink", "60")
WORLD = ("--seed", "2", "--kind", "usual")
"""A world with several volumes, where the fault is found soon. NB: which of them can be left out hangs on luck."""
FEW = 10
"""Most operations of a shrunk story. NB: how much may go wrong in it hangs on luck, and on how many worlds are tried."""


async def test_a_story_is_shrunk_and_breaks_the_same_again_while_the_fault_is_there() -> None:
    _, said = await campaign("--operations", "300", *WORLD, *BUG)
    short = story_in(said)
    assert short.operations <= FEW, said
    assert short.volumes == 1, said
    assert short.only is not None, said

    code, again = await campaign("--story", told(short), *BUG[:2], "--shrink", "0")
    assert code == 1, again
    assert rule_in(again) == rule_in(said)
    code, without = await campaign("--story", told(short))
    assert code == 0, without


def test_a_story_in_words_means_the_world_that_it_was_told_of() -> None:
    world = plan("7/12", 40)
    assert read(told(world)) == world


def test_a_story_says_if_nothing_goes_wrong_in_it() -> None:
    calm = Plan("7/12", only=frozenset())
    assert read(told(calm)) == calm


def test_words_that_mean_no_world_are_refused() -> None:
    with pytest.raises(ValueError, match="A story has a seed"):
        read("sed=7/12")


def story_in(said: str) -> Plan:
    """Return the world that is told of."""
    [told_of] = [line for line in said.splitlines() if line.startswith("World ")]
    return read(told_of.removeprefix("World "))


def rule_in(said: str) -> str:
    """Return the rule that was broken, as the last line says."""
    return said.splitlines()[-1].split(": ")[1]

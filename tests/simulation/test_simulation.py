"""Stories of operations and all that goes wrong: none breaks a promise, and planted faults are found. `pytest -s` shows counts."""

from __future__ import annotations

import pytest

from tests.simulation.bugs import BUGS, Bug
from tests.simulation.server import Violation
from tests.simulation.world import World

STORIES = 150
"""Worlds of a dozen operations each; the time they take is why there are no more."""


def test_no_story_breaks_a_promise() -> None:
    runs = sum(play(seed) for seed in range(STORIES))
    print(f"\n{STORIES} stories of {runs} runs")  # noqa: T201 - the count is what the search is worth
    assert runs > 10 * STORIES


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_fault_is_found(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    found = search(2 * STORIES)
    print(f"\n{bug.__doc__} {found}")  # noqa: T201 - a story is the reason for its rule
    assert found


def play(seed: int) -> int:
    """Play a world, and return how many runs there were."""
    world = World(seed)
    world.play()
    return len(world.runs)


def search(stories: int) -> str:
    """Play worlds until something is wrong; return the fault, or "" if there is none."""
    runs = 0
    for seed in range(stories):
        try:
            runs += play(seed)
        except Violation as found:
            return f"Found after {runs} runs: {str(found).splitlines()[0]}"
    return ""

"""Conclusions from the times of two clocks: all moments of a few seconds are tried, and each way the clocks may differ."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import NamedTuple

import pytest

from mooring.records.past import Past, conclude
from tests.harness.records import NOW

SKEW = 2.0
MOMENTS = [step / 2 for step in range(-10, 11)]
START = NOW.replace(microsecond=0)


class Story(NamedTuple):
    """The moment a VolumeAttachment was really made, how far the API server's clock is ahead, and the unpublish, in seconds."""

    made: float
    ahead: float
    begins: float
    ends: float


def stories(skew: float) -> Iterator[Story]:
    """Yield all stories; the unpublish is the record's last writer."""
    offsets = [offset for offset in MOMENTS if abs(offset) <= skew]
    return (Story(*story) for story in product(MOMENTS, offsets, MOMENTS, MOMENTS) if story[2] <= story[3])


def told(story: Story, believed: float) -> Past:
    """Return the conclusion, where the clocks are believed to differ by so much."""
    noted = START + timedelta(seconds=(story.made + story.ahead) // 1)
    begins, ends = (START + timedelta(seconds=moment) for moment in (story.begins, story.ends))
    return conclude(noted, ends, [begins], timedelta(seconds=believed))


def is_wrong(story: Story, past: Past) -> bool:
    """Return whether it is called left over although made later than its node was unpublished, or new although it wasn't."""
    return (past is Past.DETACHED and story.made > story.begins) or (past is Past.YOUNGER and story.made < story.ends)


def test_nothing_wrong_is_concluded_while_the_clocks_differ_by_no_more_than_is_believed() -> None:
    assert [story for story in stories(SKEW) if is_wrong(story, told(story, SKEW))] == []


@pytest.mark.parametrize("past", [Past.DETACHED, Past.YOUNGER])
def test_it_would_be_without_the_margin(past: Past) -> None:
    assert any(told(story, 0) is past and is_wrong(story, past) for story in stories(SKEW))


def test_what_is_far_enough_apart_is_concluded() -> None:
    assert {told(Story(made, 0, 0, 0), SKEW) for made in (-5, 0, 5)} == {Past.DETACHED, Past.UNKNOWN, Past.YOUNGER}


def test_of_a_writer_that_is_open_or_forgotten_nothing_follows() -> None:
    assert conclude(START, None, [], timedelta(seconds=SKEW)) is Past.UNKNOWN

"""What the operations since leave of who held a volume: all short stories are tried, and each way that clocks may differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import NamedTuple

import pytest

from mooring.evidence.last_run import LastRun, Reading
from tests.harness.records import NOW, record

SKEW = 2.0
MOMENTS = [step / 2 for step in range(-10, 11)]
START = NOW.replace(microsecond=0)
NODES = ("node-a", "node-b")


def run(*left: str, began: float = 0, knew: bool = True, freed: str = "") -> LastRun:
    """An operation that left the volume with these nodes, or took it from one of which it knew no record."""
    at = START + timedelta(seconds=began)
    return LastRun("run", "unpublish", freed, at, record(*left), frozenset(), "", lambda node: node == freed, knew)


class Made(NamedTuple):
    """When a VolumeAttachment was really made, how far the API server's clock is ahead, and when an operation began, in seconds."""

    at: float
    ahead: float
    began: float


def stories() -> Iterator[Made]:
    """All of them in which the clocks differ by no more than `SKEW`."""
    offsets = [offset for offset in MOMENTS if abs(offset) <= SKEW]
    return (Made(*story) for story in product(MOMENTS, offsets, MOMENTS))


def wrong(believed: float) -> list[Made]:
    """The stories in which evidence is dropped that is younger than the operation, where clocks are believed to differ so."""

    def dropped(story: Made) -> bool:
        noted = START + timedelta(seconds=(story.at + story.ahead) // 1)
        return run(began=story.began).outdates("node-a", noted, timedelta(seconds=believed))

    return [story for story in stories() if dropped(story) and story.at > story.began]


def test_no_volume_attachment_is_dropped_that_is_younger_than_the_operation() -> None:
    assert wrong(SKEW) == []


def test_one_would_be_without_the_margin() -> None:
    assert wrong(0)


def test_one_that_is_far_older_is_dropped() -> None:
    assert run(began=5).outdates("node-a", START, timedelta(seconds=SKEW))


def test_an_unpublish_that_knew_no_record_drops_what_is_older_of_its_own_node_alone() -> None:
    unpublish = run(began=5, knew=False, freed="node-a")

    assert [unpublish.outdates(node, START, timedelta(seconds=SKEW)) for node in NODES] == [True, False]


Event = tuple[str, str]
EVENTS: tuple[Event, ...] = tuple(product(("publish", "unpublish", "blind unpublish"), NODES))
"""An operation of a node; one that is blind knows no record."""


def happen(events: tuple[Event, ...]) -> tuple[set[str], list[LastRun]]:
    """The nodes that have a shared volume then, and the operations, oldest first."""
    holders, runs = set[str](), list[LastRun]()
    for kind, node in events:
        holders = holders | {node} if kind == "publish" else holders - {node}
        blind = kind == "blind unpublish"
        freed = "" if kind == "publish" else node
        runs.append(run(*(() if blind else sorted(holders)), knew=not blind, freed=freed))
    return holders, runs


def left(runs: list[LastRun], sees: Callable[[LastRun], LastRun]) -> set[str]:
    """The holders, as the newest operations say together."""
    reading = Reading()
    read = (reading.take(sees(each)) for each in reversed(runs))
    last = next((word for word in read if word is not None), None) or reading.rest
    return {held.node_id for held in last.record.holders} if last else set()


@pytest.mark.parametrize("length", range(1, 5))
def test_after_any_operations_the_holders_are_those_that_hold(length: int) -> None:
    for events in product(EVENTS, repeat=length):
        holders, runs = happen(events)
        assert left(runs, lambda each: each) == holders, events


def test_they_would_not_be_if_an_unpublish_without_a_record_were_the_last_word() -> None:
    stories = map(happen, product(EVENTS, repeat=3))

    assert any(holders - left(runs, lambda each: replace(each, knew=True)) for holders, runs in stories)

"""The holders of a volume after later operations: all short stories are tried, and each way that clocks may differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import NamedTuple

import pytest

from mooring.evidence.operations import PUBLISH, UNPUBLISH, LastRun, OperationsRead
from tests.harness.records import NOW, record

SKEW = 2.0
MOMENTS = [step / 2 for step in range(-10, 11)]
START = NOW.replace(microsecond=0)
NODES = ("node-a", "node-b")


def run(*left: str, began: float = 0, knew: bool = True, freed: str = "", name: str = "run", cites: str = "run") -> LastRun:
    """Return an operation that left the volume with these nodes, or took it from one of which it knew no record."""
    at, kind = START + timedelta(seconds=began), UNPUBLISH if freed else PUBLISH
    known = record(*left).model_copy(update={"operation": cites})
    return LastRun(name, kind, freed, at, known, frozenset(), "", lambda node: node == freed, knew)


class Made(NamedTuple):
    """A VolumeAttachment's real creation, the lead of the API server's clock, and an operation's start, in seconds."""

    at: float
    ahead: float
    began: float


def stories() -> Iterator[Made]:
    """Yield all stories in which the clocks differ by no more than `SKEW`."""
    offsets = [offset for offset in MOMENTS if abs(offset) <= SKEW]
    return (Made(*story) for story in product(MOMENTS, offsets, MOMENTS))


def wrong(believed: float) -> list[Made]:
    """Return the stories in which evidence younger than the operation is dropped, where clocks are believed to differ so."""

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
    """Return the nodes that have a shared volume then, and the operations, oldest first."""
    holders, runs = set[str](), list[LastRun]()
    for kind, node in events:
        holders = holders | {node} if kind == "publish" else holders - {node}
        blind = kind == "blind unpublish"
        freed = "" if kind == "publish" else node
        runs.append(run(*(() if blind else sorted(holders)), knew=not blind, freed=freed))
    return holders, runs


def read(runs: list[LastRun], sees: Callable[[LastRun], LastRun] = lambda each: each) -> OperationsRead:
    """Return the operations' evidence, as a worker reads it: the newest first, and then behind what that one heard."""
    reading, rest = OperationsRead(timedelta(seconds=SKEW)), iter(reversed(runs))
    if any(reading.take(sees(each)) for each in rest) and reading.heard is not None:
        cited = reading.heard.record.operation
        any(each.run_id == cited or reading.take_older(each) for each in rest)
    return reading


def left(runs: list[LastRun], sees: Callable[[LastRun], LastRun] = lambda each: each) -> set[str]:
    """Return the holders, by the newest operations together."""
    last = read(runs, sees).left
    return {held.node_id for held in last.record.holders} if last else set()


@pytest.mark.parametrize("length", range(1, 5))
def test_after_any_operations_the_holders_are_those_that_hold(length: int) -> None:
    for events in product(EVENTS, repeat=length):
        holders, runs = happen(events)
        assert left(runs) == holders, events


def test_they_would_not_be_if_an_unpublish_without_a_record_were_the_last_word() -> None:
    stories = map(happen, product(EVENTS, repeat=3))

    assert any(holders - left(runs, lambda each: replace(each, knew=True)) for holders, runs in stories)


Late = tuple[str, str, int]
LATE: tuple[Late, ...] = (
    *((kind, node, 0) for kind in ("publish", "unpublish", "blind unpublish") for node in NODES),
    *(("waiting", node, 0) for node in NODES),
    *(("deaf unpublish", node, missed) for node in NODES for missed in range(3)),
    *(("refused", "", missed) for missed in range(3)),
)
"""An operation, and how many of those before it visibility didn't list yet: one that finds no PV goes by what is listed alone. A
publish that finds none begins a hold, which waits for one, and whoever asks then finds that."""


def happen_late(events: tuple[Late, ...]) -> tuple[set[str], list[LastRun]]:
    """Do as `happen` does, where visibility lags."""
    holders, runs = set[str](), list[LastRun]()
    for number, (kind, node, missed) in enumerate(events):
        name, freed, waits = f"run-{number}", node if "unpublish" in kind else "", {node} if kind == "waiting" else set()
        holders = holders | {node} if kind in ("publish", "waiting") else holders - {node}
        if kind in ("publish", "unpublish"):
            runs.append(run(*sorted(holders), name=name, cites=name, freed=freed))
            continue
        seen = [each for before, each in enumerate(runs) if before < number - missed or each.attached]
        last = read(seen).left if kind != "blind unpublish" else None
        known = {held.node_id for held in last.record.holders} if last else set()
        cites = last.record.operation if last else ""
        knew = kind in ("refused", "waiting") or bool(cites)
        left_over = run(*sorted((known - {freed}) | waits), name=name, cites=cites, knew=knew, freed=freed)
        runs.append(replace(left_over, unrecorded=frozenset(waits - known), attached=node if waits else ""))
    return holders, runs


@pytest.mark.parametrize("length", range(1, 5))
def test_after_any_operations_that_visibility_listed_late_the_holders_are_those_that_hold(length: int) -> None:
    for events in product(LATE[: len(NODES)], *[LATE] * (length - 1)):  # before a publish there is nothing to lose
        holders, runs = happen_late(events)
        assert left(runs) == holders, events


@pytest.mark.parametrize("forgets", [True, False], ids=["who let go", "who holds"])
def test_they_would_not_be_if_a_refusal_were_the_last_word(forgets: bool) -> None:
    def last_word(each: LastRun) -> LastRun:
        return replace(each, record=each.record.model_copy(update={"operation": each.run_id}))

    stories = map(happen_late, product(LATE, repeat=3))

    assert any((left(runs, last_word) - holders) if forgets else (holders - left(runs, last_word)) for holders, runs in stories)


def test_they_would_not_be_if_an_older_unpublish_counted_against_a_node_that_waited_since() -> None:
    def forgotten(each: LastRun) -> LastRun:
        return replace(each, attached="", unrecorded=frozenset())

    stories = map(happen_late, (story for story in product(LATE, repeat=4) if story[0] == LATE[0] and story[2][0] == "waiting"))

    assert any(holders - left(runs, forgotten) for holders, runs in stories)

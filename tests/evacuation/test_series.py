"""The time that a Node has been gone: an uninterrupted series of looks, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mooring.models import Approval
from mooring.models.evacuation import Presence, ReadNodeResult
from tests.harness.records import NOW
from workflows.evacuation.proof import Proof

GONE = ReadNodeResult(node_name="n", presence=Presence.GONE, out_of_service=False, holds=1, words="there is no Node n")
HERE = ReadNodeResult(node_name="n", presence=Presence.HERE, out_of_service=False, holds=1, words="Node n exists and is not Ready")
READY = HERE.model_copy(update={"ready": True, "words": "Node n exists and is Ready"})
UNKNOWN = ReadNodeResult(node_name="", presence=Presence.UNKNOWN, out_of_service=False, holds=1, words="nothing says which Node")
WORD = Approval(by="ada", reason="it is off")


def weigh(*looks: tuple[float, ReadNodeResult]) -> str:
    """Return the verdict after these looks, at these seconds; the Node must be gone for 100 s, and is looked at every 10 s."""
    proof = Proof(gone=100, patience=5)
    return [proof.weigh(seen, None, NOW + timedelta(seconds=at)) for at, seen in looks][-1]


def series(begin: int, end: int) -> list[tuple[float, ReadNodeResult]]:
    """Return looks every 10 s that find no Node."""
    return [(at, GONE) for at in range(begin, end + 1, 10)]


def test_a_series_that_is_long_enough_proves_it() -> None:
    assert weigh(*series(0, 100)) == "there is no Node n, nor was there one since 2026-01-31T04:00:41Z, for more than 100 s"


def test_one_that_is_a_moment_too_short_proves_nothing() -> None:
    assert weigh(*series(0, 90), (99.9, GONE)) == ""


@pytest.mark.parametrize("between", [HERE, UNKNOWN])
def test_a_look_that_finds_anything_else_begins_a_new_one(between: ReadNodeResult) -> None:
    assert weigh(*series(0, 90), (95, between), *series(100, 190)) == ""
    assert weigh(*series(0, 90), (95, between), *series(100, 200)) != ""


def test_a_gap_begins_a_new_one_because_nobody_knows_what_was_meanwhile() -> None:
    assert weigh(*series(0, 50), *series(100, 190)) == ""


def test_a_late_look_does_not() -> None:
    assert weigh(*series(0, 60), *series(90, 100)) != ""


@pytest.mark.parametrize("seen", [HERE, UNKNOWN])
def test_without_a_series_only_an_operator_can_say_it(seen: ReadNodeResult) -> None:
    proof = Proof(gone=100, patience=5)

    assert proof.weigh(seen, None, NOW) == ""
    assert proof.weigh(seen, Approval(by="ada", reason="it is off"), NOW).startswith("ada confirmed it: it is off (")


def test_a_taint_is_named_before_an_operator() -> None:
    tainted = HERE.model_copy(update={"out_of_service": True, "words": "Node n has the taint"})

    assert Proof(gone=100, patience=5).weigh(tainted, Approval(by="ada", reason="it is off"), NOW).startswith("Node n has")


def refuted(*looks: ReadNodeResult, by: Approval | None = WORD) -> str:
    """Return the verdict on the last look, after the first has led to proof."""
    proof = Proof(gone=100, patience=5)
    proof.weigh(looks[0], by, NOW)
    return [proof.refuted(seen, by) for seen in looks[1:]][-1]


def test_a_word_holds_against_a_node_that_is_as_it_was_when_it_was_given() -> None:
    assert refuted(READY, READY) == ""
    assert refuted(HERE, HERE, GONE, UNKNOWN) == ""


@pytest.mark.parametrize("looks", [(HERE, READY), (READY, HERE, READY), (READY, UNKNOWN, READY), (READY, GONE, READY)])
def test_a_word_is_void_once_the_node_is_ready_again(looks: tuple[ReadNodeResult, ...]) -> None:
    assert refuted(*looks) == "Node n exists and is Ready again, since ada confirmed that it is off"


def test_a_taint_that_is_taken_away_without_a_word_proves_nothing_any_more() -> None:
    assert refuted(HERE.model_copy(update={"out_of_service": True}), HERE, by=None) != ""

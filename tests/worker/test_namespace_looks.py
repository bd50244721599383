"""The looks after which a namespace in use counts as gone."""

from __future__ import annotations

from mooring.temporal.namespace import Looks

MISSING = ("", "There is no namespace here.")
THERE = ("id-1", "")


def looks() -> Looks:
    return Looks("here", "id-1")


def test_one_answer_that_it_is_missing_ends_nothing() -> None:
    seen = looks()
    assert [seen.answered(*answer) for answer in (MISSING, THERE, MISSING, THERE)] == [""] * 4


def test_two_in_a_row_end_what_serves_with_the_reason() -> None:
    seen = looks()
    assert [seen.answered(*answer) for answer in (THERE, MISSING, MISSING)] == ["", "", MISSING[1]]


def test_a_server_that_does_not_say_is_no_second_answer() -> None:
    seen = looks()
    first = seen.answered(*MISSING)
    seen.unanswered()
    assert (first, seen.answered(*MISSING)) == ("", "")


def test_another_namespace_of_its_name_ends_what_serves_at_once() -> None:
    assert looks().answered("id-2", "") == "Namespace here was deleted and created again."

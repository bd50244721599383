"""What to do about a volume: pure, from its facts; one rule a situation, the most urgent first.

Contract: the same facts give the same advice, and there is always some. Commands are written out, with the names of this volume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from mooring.explain import about_nodes, about_operations, about_records
from mooring.explain.facts import Advice, Facts

RULES: Final[tuple[Callable[[Facts], Iterator[Advice]], ...]] = (
    about_records.unreadable,
    about_records.duplicated,
    about_records.altered,
    about_records.departed,
    about_records.unplaced,
    about_records.in_doubt,
    about_records.unrecorded,
    about_records.left_over,
    about_nodes.lost,
    about_nodes.evacuations,
    about_operations.migrations,
    about_operations.under_way,
    about_operations.waits_for_workers,
    about_operations.leaving,
    about_operations.attach_fails,
    about_operations.waits_for_co,
    about_records.unwanted,
    about_records.unpersisted,
    about_operations.ended_badly,
)


def advise(facts: Facts) -> tuple[Advice, ...]:
    """What to do; that there is nothing to do where there is nothing."""
    return tuple(advice for rule in RULES for advice in rule(facts)) or (_nothing(facts),)


def _nothing(facts: Facts) -> Advice:
    if facts.unasked:
        return Advice(situation="unknown", says="Nothing is wrong in what could be asked. Ask again when the rest answers.")
    holders = " and ".join(held.node_id for held in facts.holders)
    state = f"Held by {holders}, as it should be." if holders else "Nobody holds the volume, and it can be published."
    return Advice(situation="nothing-wrong", says=f"Nothing is wrong. {state}")

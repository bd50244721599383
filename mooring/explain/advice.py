"""The advice about a volume: pure, from its facts; one rule a situation, the most urgent first.

Contract: the same facts give the same advice, and there is always some. Commands are written out, with the names of this volume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from mooring.explain import node_advice, operation_advice, record_advice
from mooring.explain.facts import Advice, Facts

RULES: Final[tuple[Callable[[Facts], Iterator[Advice]], ...]] = (
    operation_advice.rolling_back,
    record_advice.unreadable,
    record_advice.duplicated,
    record_advice.altered,
    record_advice.departed,
    record_advice.unplaced,
    record_advice.in_doubt,
    record_advice.unrecorded,
    record_advice.left_over,
    node_advice.lost,
    node_advice.evacuations,
    operation_advice.migrations,
    operation_advice.stuck,
    operation_advice.under_way,
    operation_advice.waits_for_workers,
    operation_advice.leaving,
    operation_advice.attach_fails,
    operation_advice.waits_for_co,
    record_advice.unwanted,
    record_advice.unpersisted,
    operation_advice.ended_badly,
)


def advise(facts: Facts) -> tuple[Advice, ...]:
    """Return the advice that the facts call for, or that nothing needs to be done."""
    return tuple(advice for rule in RULES for advice in rule(facts)) or (_nothing(facts),)


def _nothing(facts: Facts) -> Advice:
    holders = " and ".join(held.node_id for held in facts.holders)
    if not facts.holders_known:
        unknown = "The volume's holders are unknown: neither its PersistentVolume nor a worker could be asked."
        return Advice(situation="unknown", says=f"{unknown} The errors say what that takes; ask again then.")
    if facts.unasked:
        answered = f"Nothing is wrong in the answers received.{_told(facts, holders)}"
        return Advice(situation="unknown", says=f"{answered} Ask again once the others answer; the errors say what that takes.")
    state = f"Held by {holders}, as it should be." if holders else "No node holds the volume, so it can be published."
    return Advice(situation="nothing-wrong", says=f"Nothing is wrong. {state}")


def _told(facts: Facts, holders: str) -> str:
    """Return a sentence about what a worker told, or nothing."""
    return f" As a worker reads the record, {holders or 'no node'} holds the volume." if facts.told else ""

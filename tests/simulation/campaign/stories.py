"""A world in words, by which anybody can let it live again: `seed=7/12 operations=17 volumes=1 ... only=act-3,call-2`.

What a seed alone means changes with the plans of worlds; a story says its plan itself, and goes as it went for as long as the code
that it is about asks for the same things.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from tests.simulation.campaign.kinds import KINDS, Kind
from tests.simulation.campaign.world import Plan

NOTHING: Final = "nothing"
YES: Final = {True: "yes", False: "no"}


def told(plan: Plan) -> str:
    """Return a world in words."""
    said = {each.name: getattr(plan, each.name) for each in fields(plan)}
    return " ".join(f"{name}={_word(value)}" for name, value in said.items() if value is not None)


def read(words: str) -> Plan:
    """Return the world that words mean.

    Raises:
        ValueError: they mean none.

    """
    usual: dict[str, Any] = {each.name: each.default for each in fields(Plan)}
    given = dict(each.partition("=")[::2] for each in words.split())
    unknown = given.keys() - usual.keys()
    if unknown or "seed" not in given:
        raise ValueError(f"A story has a seed and any of {', '.join(usual)}, each with its value; this one is {words!r}.")
    return Plan(**{name: _value(name, usual[name], word) for name, word in given.items()})


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return YES[value]
    if isinstance(value, frozenset):
        return ",".join(sorted(value, key=_place)) or NOTHING
    if isinstance(value, Kind):
        return value.name.replace(" ", "-")
    return str(value)


def _value(name: str, usual: Any, word: str) -> Any:
    if name == "only":
        return frozenset() if word == NOTHING else frozenset(word.split(","))
    if isinstance(usual, Kind):
        return _kind(word)
    if isinstance(usual, bool):
        return word == YES[True]
    return int(word) if isinstance(usual, int) else word


def _kind(word: str) -> Kind:
    kinds = {_word(kind): kind for kind in KINDS}
    if word not in kinds:
        raise ValueError(f"The kinds of worlds are {', '.join(kinds)}; {word!r} is none.")
    return kinds[word]


def _place(name: str) -> tuple[str, int]:
    part, _, number = name.partition("-")
    return part, int(number)

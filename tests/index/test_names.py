"""The index names all PVs that it knows, whatever is created and deleted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from mooring.cluster.attachment_cache import UnknownNames
from mooring.index.entries import RecordIndex
from tests.harness.records import cached

PVS = [cached(handle, uid=f"uid-{handle}-{name}", pv=name) for handle, name in product(("v", "w"), ("pv-1", "pv-2"))]


def do(index: RecordIndex, kind: str, number: int) -> None:
    seen = PVS[number]
    index.put(seen) if kind == "put" else index.remove(seen.handle, seen.uid)


def wrong(do: Callable[[RecordIndex, str, int], None], length: int) -> list[object]:
    """Return the stories after which a PV that is known isn't named, or one is named that isn't known."""
    found: list[object] = []
    for story in product(product(("put", "remove"), range(len(PVS))), repeat=length):
        index = RecordIndex()
        for move in story:
            do(index, *move)
        if index.pvs.keys() != {seen.pv for seen in index}:
            found.append(story)
    return found


def test_every_pv_is_named_and_no_other() -> None:
    assert wrong(do, 4) == []


def test_one_that_went_would_be_named_if_it_were_left_in() -> None:
    def forget(index: RecordIndex, kind: str, number: int) -> None:
        before = dict(index.pvs)
        do(index, kind, number)
        index.pvs.update(before)

    assert wrong(forget, 2)


NAMES = ("pv-1", "pv-2")
ACTS = [(kind, name) for kind in ("attach", "detach", "appear", "go", "rebuild") for name in NAMES]


def unlike(taken: Callable[[RecordIndex], set[str]], length: int) -> list[object]:
    """Return the stories after which others are called unknown than are attached and have no PV; `taken` are those that went."""
    found: list[object] = []
    for story in product(ACTS, repeat=length):
        index, attached = RecordIndex(), dict[str, bool]()
        unknown = UnknownNames(attached)
        for kind, name in story:
            index = act(index, attached, unknown, kind, name)
            told = set(unknown.beyond(index.pvs, taken(index)))
            if told != attached.keys() - index.pvs.keys():
                found.append(story)
    return found


def act(index: RecordIndex, attached: dict[str, bool], unknown: UnknownNames, kind: str, name: str) -> RecordIndex:
    """Have the event happen; return the index that there is then. A rebuild lists the PV of this name alone."""
    seen = cached(f"of-{name}", uid=name, pv=name)
    match kind:
        case "attach":
            attached[name] = True
            unknown.add(name)
        case "detach":
            attached.pop(name, None)
            unknown.drop(name)
        case "appear":
            index.put(seen)
        case "go":
            index.remove(seen.handle, seen.uid)
        case "rebuild":
            fresh = RecordIndex()
            fresh.put(seen)
            index.give_way(fresh)
            return fresh
    return index


def take(index: RecordIndex) -> set[str]:
    left, index.left = index.left, set()
    return left


def test_what_is_attached_and_not_known_is_told_without_a_look_at_all() -> None:
    assert unlike(take, 4) == []


def test_it_would_not_be_if_it_were_not_told_which_pvs_went() -> None:
    assert unlike(lambda _: set(), 3)


def test_pvs_that_are_unknown_are_named_in_their_order() -> None:
    attached = dict.fromkeys((f"pv-{number:02}" for number in range(20)), True)
    unknown = UnknownNames(attached)
    for name in reversed(attached):
        unknown.add(name)
    assert unknown.beyond((), ()) == list(attached)

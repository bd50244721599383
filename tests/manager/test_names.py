"""The index names all PVs that it knows, whatever comes and goes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from mooring.index import Index
from tests.harness.records import sighting

PVS = [sighting(handle, uid=f"uid-{handle}-{name}", pv=name) for handle, name in product(("v", "w"), ("pv-1", "pv-2"))]


def do(index: Index, kind: str, number: int) -> None:
    seen = PVS[number]
    index.put(seen) if kind == "put" else index.remove(seen.handle, seen.uid)


def wrong(do: Callable[[Index, str, int], None]) -> list[object]:
    """The stories after which a PV that is known isn't named, or one is named that isn't known."""
    found: list[object] = []
    for story in product(product(("put", "remove"), range(len(PVS))), repeat=4):
        index = Index()
        for move in story:
            do(index, *move)
        if index.pvs.keys() != {seen.pv for seen in index}:
            found.append(story)
    return found


def test_every_pv_is_named_and_no_other() -> None:
    assert wrong(do) == []


def test_one_that_went_would_be_named_if_it_were_left_in() -> None:
    def forget(index: Index, kind: str, number: int) -> None:
        before = dict(index.pvs)
        do(index, kind, number)
        index.pvs.update(before)

    assert wrong(forget)

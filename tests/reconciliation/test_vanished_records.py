"""The records that count as vanished, by what the PVs have now and what was seen of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mooring.cluster.volume_attachments import Attached
from mooring.index.departures import Departure
from mooring.reconciliation.vanished import altered, departed, unplaced
from mooring.records.compact import CompactRecord
from tests.harness.records import NOW, cached

HELD = cached("vol", "node-a", epoch=3, pv="pv-gone")
SHOWN = Attached(name="csi-1", pv="pv-gone", node="host-a", node_id="node-a", since=NOW, context={})


@pytest.mark.parametrize(
    ("fresh", "known", "told"),
    [
        (cached("vol", epoch=2), HELD, True),
        (cached("vol", epoch=None), HELD, True),
        (HELD, HELD, False),
        (cached("vol", epoch=4), HELD, False),
        (cached("vol", epoch=None), None, False),
    ],
)
def test_a_record_is_altered_where_it_says_less_than_it_did(fresh: CompactRecord, known: CompactRecord | None, told: bool) -> None:
    assert (altered(fresh, known) is not None) is told


def test_an_altered_record_that_nobody_held_is_told_with_its_epoch() -> None:
    drift = altered(cached("vol", epoch=None), cached("vol", epoch=3))

    assert drift is not None
    assert (drift.node_id, drift.epoch, "held by nobody" in drift.why) == ("", 3, True)


def test_a_holder_that_has_let_go_is_told_no_more() -> None:
    assert [drift.node_id for drift in departed(Departure(HELD), [], [])] == ["node-a"]
    assert not [*departed(Departure(HELD, released={"node-a"}), [], [])]


def test_a_record_above_that_of_the_pv_that_went_settles_it() -> None:
    assert not [*departed(Departure(HELD), [cached("vol", epoch=4, pv="pv-new", uid="new")], [])]
    assert [*departed(Departure(HELD), [cached("vol", epoch=None, pv="pv-new", uid="new")], [])]


def test_a_volume_attachment_of_a_known_pv_or_of_a_departed_holder_is_placed() -> None:
    assert not [*unplaced({"pv-gone": [SHOWN]}, {"pv-gone"}, {})]
    assert not [*unplaced({"pv-gone": [SHOWN]}, set(), {"pv-gone": Departure(HELD)})]


def test_one_of_another_node_than_the_departed_holder_is_told_with_the_volume() -> None:
    other = replace(SHOWN, node_id="node-b")

    assert [
        (drift.volume_handle, drift.node_id) for drift in unplaced({"pv-gone": [other]}, set(), {"pv-gone": Departure(HELD)})
    ] == [("vol", "node-b")]


@pytest.mark.parametrize("gone", [replace(SHOWN, attached=False), replace(SHOWN, leaving=True)])
def test_one_that_comes_or_goes_is_not_amiss(gone: Attached) -> None:
    assert not [*unplaced({"pv-gone": [gone]}, set(), {})]

"""The compact form has all that the record has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import MalformedRecord
from mooring.models import DEFAULT_DRIVER, AccessMode, Attachment, Precondition, VolumeRecord
from mooring.records.annotations import read
from mooring.records.compact import CompactRecord, pack, read_compact, unpack
from mooring.records.keys import Keys
from tests.harness.records import NOW, UID

KEYS = Keys.of(DEFAULT_DRIVER)
NODES = st.text(min_size=1, max_size=12)
ATTACHMENTS = st.builds(
    Attachment,
    node_id=NODES,
    attached_at=st.just(NOW),
    access_mode=st.none() | st.sampled_from(AccessMode),
    readonly=st.booleans(),
    publish_context=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)
UIDS = st.uuids().map(str) | st.text(max_size=40)
MARKS = st.builds(
    Precondition,
    pv=st.just("vol-1") | st.just("pv-1"),
    uid=UIDS,
    epoch=st.none() | st.integers(0, 10**18 - 1),
    node=st.none() | st.text(max_size=5),
    bare=st.booleans(),
)
RECORDS = st.builds(
    VolumeRecord,
    mark=MARKS,
    operation=UIDS,
    holders=st.lists(ATTACHMENTS, max_size=3).map(tuple),
    beside=st.just(()) | st.just(("pv-2",)),
)
VALUES: dict[str, st.SearchStrategy[str]] = {
    KEYS.node: st.sampled_from(["node-a", "", "n" * 300, "Knoten-ä"]),
    KEYS.at: st.sampled_from(["2026-01-31T04:00:41.123456Z", "2026-01-31 05:00:41+01:00", "yesterday", ""]),
    KEYS.epoch: st.sampled_from(["0", "7", "007", "-1", "many"]),
    KEYS.operation: st.sampled_from([UID, UID.upper(), "op", ""]),
    KEYS.attachments: st.sampled_from(
        [
            "[]",
            "{",
            '[{"nodeId":"node-a","alsoOn":["pv-2"]}]',
            '[{"nodeId":"node-a","readonly":true,"publishContext":{"device":"/dev/sdx"}}]',
        ]
    ),
    KEYS.also_on: st.sampled_from(['{"epoch":7,"pvs":["pv-2"]}', '{"epoch":6,"pvs":["pv-2"]}', "{"]),
    "other.example.com/of": st.just("somebody"),
}


@given(RECORDS)
def test_a_record_made_compact_and_read_again_is_the_same(record: VolumeRecord) -> None:
    assert CompactRecord.of("vol-1", record).record() == record


@given(st.none() | st.fixed_dictionaries({}, optional=VALUES))
def test_annotations_are_sighted_as_they_are_read(annotations: dict[str, str] | None) -> None:
    sighted, replaced = read_compact(DEFAULT_DRIVER, KEYS, "vol-1", "pv-1", UID, annotations, NOW)
    assert outcome(sighted.record) == outcome(lambda: read(DEFAULT_DRIVER, "pv-1", UID, annotations, NOW).record)
    if not sighted.problem:
        assert replaced == read(DEFAULT_DRIVER, "pv-1", UID, annotations, NOW).replaced_times
        assert list(sighted.nodes) == [held.node_id for held in sighted.record().holders]


@pytest.mark.parametrize("text", ["", UID, UID.upper(), UID.replace("-", ""), f"{{{UID}}}", "0" * 36, f"{UID}\n"])
def test_text_comes_back_as_it_was_packed(text: str) -> None:
    assert unpack(pack(text)) == text


def test_doubting_a_node_leaves_the_others_and_decides_nothing() -> None:
    holders = tuple(Attachment(node_id=node, attached_at=NOW) for node in ("node-a", "node-b"))
    doubted = CompactRecord.of("vol-1", VolumeRecord(mark=Precondition(pv="pv-1", uid=UID), holders=holders)).doubted("node-a")
    assert ([held.node for held in doubted.held()], doubted.sure) == (["node-b"], False)


def outcome(call: Any) -> object:
    try:
        return call()
    except MalformedRecord as error:
        return str(error)


def test_records_that_differ_by_flags_alone_share_them() -> None:
    one, other = (
        read_compact(DEFAULT_DRIVER, KEYS, "vol-1", name, UID, {}, NOW)[0].noting(secret=True) for name in ("pv-1", "pv-2")
    )
    assert one.secret
    assert one.peculiarity is other.peculiarity

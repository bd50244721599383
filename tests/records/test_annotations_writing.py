"""The effect of `annotations.patch` on a PV, applied as a development API server applies it."""

import json
from dataclasses import astuple
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.devstack.kubernetes.patch import JSON_PATCH, apply_patch
from mooring.devstack.kubernetes.status import ApiRefusal
from mooring.models import AccessMode, Attachment, Copy, VolumeRecord, VolumeRef, Write
from mooring.records import annotations
from mooring.records.keys import Keys

DRIVER = "rds.csi.srvlab.io"
NOW = datetime(2026, 2, 1, tzinfo=UTC)
OURS = astuple(Keys.of(DRIVER))
ALSO_ON = f"{DRIVER}/attachment-also-on"
HELD_AT_4 = {f"{DRIVER}/attached-node": "node-a", f"{DRIVER}/attachment-epoch": "4"}
HELD = Attachment(node_id="node-a", attached_at=NOW)

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
TIMES = st.datetimes(min_value=datetime(1, 1, 3), timezones=st.just(timezone(timedelta(hours=5, minutes=30))))
HOLDERS = st.lists(
    st.builds(
        Attachment,
        node_id=NAMES,
        attached_at=TIMES,
        access_mode=st.none() | st.sampled_from(AccessMode),
        readonly=st.booleans(),
        publish_context=st.dictionaries(NAMES, NAMES, max_size=2),
    ),
    max_size=3,
    unique_by=lambda held: held.node_id,
).map(tuple)
FOREIGN = st.dictionaries(NAMES.filter(lambda name: not name.startswith(DRIVER)), NAMES, max_size=2)


def pv(found: dict[str, str] | None, uid: str = "uid-7") -> dict[str, object]:
    return {"metadata": {"name": "pv-7", "uid": uid} | ({} if found is None else {"annotations": found})}


def read(found: dict[str, str] | None) -> VolumeRecord:
    return annotations.read(DRIVER, "pv-7", "uid-7", found, NOW).record


def write(seen: VolumeRecord, holders: tuple[Attachment, ...] = (HELD,), operation: str = "run-2") -> Write:
    return Write(volume=VolumeRef(driver=DRIVER, volume_handle="vol-7"), mark=seen.mark, operation=operation, holders=holders)


def applied(decided: Write, target: dict[str, object]) -> dict[str, str]:
    patched = apply_patch(
        JSON_PATCH, json.dumps(annotations.patch(decided, decided.parts[0])).encode(), json.loads(json.dumps(target))
    )
    found: dict[str, str] = patched["metadata"]["annotations"]
    return found


@given(foreign=st.none() | FOREIGN, before=st.none() | HOLDERS, after=HOLDERS)
def test_reading_what_was_written_gives_the_record_one_epoch_later(
    foreign: dict[str, str] | None, before: tuple[Attachment, ...] | None, after: tuple[Attachment, ...]
) -> None:
    found = foreign or None
    if before is not None:
        found = applied(write(read(found), before, "run-1"), pv(found))
    seen = read(found)
    record = read(applied(write(seen, after), pv(found)))
    assert (record.holders, record.epoch, record.operation) == (after, seen.epoch + 1, "run-2")


@given(foreign=FOREIGN, holders=HOLDERS)
def test_no_other_annotation_is_touched(foreign: dict[str, str], holders: tuple[Attachment, ...]) -> None:
    found = foreign or None
    after = applied(write(read(found), holders), pv(found))
    assert {key: value for key, value in after.items() if key not in OURS} == foreign


def test_a_plain_holder_is_written_as_existing_drivers_write_it() -> None:
    assert applied(write(read(None)), pv(None)) == {
        f"{DRIVER}/attached-node": "node-a",
        f"{DRIVER}/attached-at": "2026-02-01T00:00:00.000000Z",
        f"{DRIVER}/attachment-epoch": "1",
        f"{DRIVER}/attachment-operation": "run-2",
    }


def test_a_detach_leaves_only_the_epoch_and_the_operation() -> None:
    held = applied(write(read(None), (HELD.model_copy(update={"readonly": True}),)), pv(None))
    assert applied(write(read(held), (), "run-3"), pv(held)) == {
        f"{DRIVER}/attachment-epoch": "2",
        f"{DRIVER}/attachment-operation": "run-3",
    }


def test_another_programs_record_without_an_epoch_is_taken_over() -> None:
    found = {f"{DRIVER}/attached-node": "node-a"}
    assert read(applied(write(read(found)), pv(found))).epoch == 1


@pytest.mark.parametrize(
    ("seen", "now"),
    [
        ({"attached-node": "node-a", "attachment-epoch": "4"}, {"attached-node": "node-a", "attachment-epoch": "5"}),
        ({"attached-node": "node-a", "attachment-epoch": "4"}, {"attached-node": "node-b", "attachment-epoch": "4"}),
        ({"attached-node": "node-a", "attachment-epoch": "4"}, {"attachment-epoch": "4"}),
        ({"attachment-epoch": "4"}, {"attached-node": "node-b", "attachment-epoch": "4"}),
        ({"attachment-epoch": "4"}, {"attached-node": "", "attachment-epoch": "4"}),
        ({"attachment-epoch": "4"}, {}),
        ({"attached-node": ""}, {"attached-node": "node-b"}),
        ({"attached-node": "node-a"}, {"attached-node": "node-a", "attachment-epoch": "0"}),
        ({}, {"attachment-epoch": "1"}),
    ],
)
def test_a_write_is_refused_where_epoch_or_node_differ(seen: dict[str, str], now: dict[str, str]) -> None:
    def keyed(found: dict[str, str]) -> dict[str, str]:
        return {"else": "where"} | {f"{DRIVER}/{name}": value for name, value in found.items()}

    with pytest.raises(ApiRefusal):
        applied(write(read(keyed(seen))), pv(keyed(now)))


@pytest.mark.parametrize("found", [None, {"else": "where"}])
def test_a_write_is_refused_on_another_pv_of_the_same_name(found: dict[str, str] | None) -> None:
    with pytest.raises(ApiRefusal):
        applied(write(read(found)), pv(found, uid="uid-8"))


def test_a_write_decided_on_a_bare_pv_is_refused_once_it_has_any_annotation() -> None:
    with pytest.raises(ApiRefusal):
        applied(write(read(None)), pv({"else": "where"}))


def test_a_write_is_refused_where_every_annotation_is_gone() -> None:
    with pytest.raises(ApiRefusal):
        applied(write(read({"else": "where"})), pv(None))


def test_of_several_pvs_each_leads_to_the_others_while_somebody_holds_the_volume() -> None:
    first, other = read(None), annotations.read(DRIVER, "pv-8", "uid-8", None, NOW).record
    decided = write(first).model_copy(update={"others": (Copy(mark=other.mark),)})
    patched = apply_patch(JSON_PATCH, json.dumps(annotations.patch(decided, decided.parts[1])).encode(), pv(None, uid="uid-8"))
    found = annotations.read(DRIVER, "pv-8", "uid-8", patched["metadata"]["annotations"], NOW).record
    assert (found.holders, found.beside, read(applied(decided, pv(None))).beside) == ((HELD,), ("pv-7",), ("pv-8",))
    alone = applied(write(found, ()), {"metadata": {**patched["metadata"], "uid": "uid-8"}})
    assert read(alone).beside == ()


def freed(found: dict[str, str] | None, *others: str) -> dict[str, str]:
    """Return the annotations of the PV once an unpublish has written its record, on these other PVs too."""
    seen = read(found)
    marks = [seen.mark.model_copy(update={"pv": name, "uid": name}) for name in others]
    decided = write(seen, ()).model_copy(update={"others": tuple(Copy(mark=mark) for mark in marks)})
    return applied(decided, pv(found))


@pytest.mark.parametrize("before", [None, {"else": "where"}, HELD_AT_4])
def test_a_free_record_leads_to_the_other_pvs_that_bear_it(before: dict[str, str] | None) -> None:
    found = freed(before, "pv-8", "pv-9")

    assert (read(found).holders, read(found).beside) == ((), ("pv-8", "pv-9"))
    assert json.loads(found[ALSO_ON]) == {"epoch": read(found).epoch, "pvs": ["pv-8", "pv-9"]}


def test_a_free_record_leads_nowhere_once_a_version_that_knows_of_no_lead_has_moved_the_epoch() -> None:
    found = freed(None, "pv-8") | {f"{DRIVER}/attachment-epoch": "2"}

    assert read(found).beside == ()


def test_the_holder_that_a_record_names_leads_to_the_other_pvs_and_a_lead_from_before_does_not() -> None:
    found = freed(None, "pv-8")
    held = applied(write(read(found)), pv(found))

    assert (held[ALSO_ON], read(held).beside) == (found[ALSO_ON], ())


@pytest.mark.parametrize("lead", ["", "{", "[]", '{"epoch":1}', '{"epoch":1,"pvs":"pv-8"}', '{"epoch":"one","pvs":["pv-8"]}'])
def test_a_lead_that_cant_be_read_leads_nowhere_and_costs_no_record(lead: str) -> None:
    found = freed(None, "pv-8") | {ALSO_ON: lead}

    assert (read(found).epoch, read(found).beside) == (1, ())


def test_the_free_record_of_one_pv_by_itself_has_no_lead() -> None:
    assert ALSO_ON not in freed(HELD_AT_4)


def test_a_write_on_several_pvs_is_at_an_epoch_above_each() -> None:
    seen = read({f"{DRIVER}/attachment-epoch": "4"})
    other = Copy(mark=seen.mark.model_copy(update={"pv": "pv-8", "uid": "uid-8", "epoch": 9}))
    decided = write(seen).model_copy(update={"others": (other,)})
    assert applied(decided, pv({f"{DRIVER}/attachment-epoch": "4"}))[f"{DRIVER}/attachment-epoch"] == "10"

"""`annotations.read` of PVs, whoever wrote them."""

from datetime import UTC, datetime

import pytest

from mooring.errors import MalformedRecord
from mooring.models import AccessMode
from mooring.models.times import format_time, parse_time
from mooring.records import annotations

DRIVER = "rds.csi.srvlab.io"
NOW = datetime(2026, 2, 1, tzinfo=UTC)
SINCE = datetime(2026, 1, 31, 4, 0, 41, tzinfo=UTC)


def read(**found: str) -> annotations.ReadRecord:
    keyed = {f"{DRIVER}/{name.replace('_', '-')}": value for name, value in found.items()}
    return annotations.read(DRIVER, "pv-7", "uid-7", keyed, NOW)


def since(text: str) -> datetime:
    return read(attached_node="node-a", attached_at=text).record.holders[0].attached_at


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_pv_without_annotations_is_unattached_and_bare(nothing: dict[str, str] | None) -> None:
    record = annotations.read(DRIVER, "pv-7", "uid-7", nothing, NOW).record
    assert (record.holders, record.epoch, record.mark.epoch, record.mark.node, record.mark.bare) == ((), 0, None, None, True)


def test_another_drivers_attachment_is_not_ours() -> None:
    found = {"ebs.csi.aws.com/attached-node": "node-a", "ebs.csi.aws.com/attachment-epoch": "many"}
    record = annotations.read(DRIVER, "pv-7", "uid-7", found, NOW).record
    assert (record.holders, record.mark.epoch, record.mark.bare) == ((), None, False)


def test_a_node_alone_is_a_holder_since_now_and_the_time_is_counted() -> None:
    reading = read(attached_node="node-a")
    (held,) = reading.record.holders
    assert (held.node_id, held.attached_at, reading.replaced_times) == ("node-a", NOW, 1)


def test_another_programs_holder_has_no_known_access_mode() -> None:
    assert read(attached_node="node-a").record.holders[0].access_mode is None


def test_moorings_plain_holder_is_a_single_node_writer() -> None:
    held = read(attached_node="node-a", attachment_epoch="3").record.holders[0]
    assert held.access_mode is AccessMode.SINGLE_NODE_WRITER


def test_an_empty_node_is_unattached_and_remembered_in_the_mark() -> None:
    reading = read(attached_node="", attached_at="2026-01-31T04:00:41Z")
    assert (reading.record.holders, reading.record.mark.node, reading.replaced_times) == ((), "", 0)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T04:00:41Z",
        "2026-01-31T04:00:41",
        "2026-01-31T05:30:41+01:30",
        "2026-01-31T04:00:41.000Z",
        "2026-01-30T20:00:41-08:00",
    ],
)
def test_a_time_is_read_with_or_without_fraction_and_offset(text: str) -> None:
    assert since(text) == SINCE


def test_a_time_in_nanoseconds_keeps_its_microseconds() -> None:
    assert since("2026-01-31T04:00:41.123456789Z") == SINCE.replace(microsecond=123456)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "1769832041", "0001-01-01T00:00:00+05:00"])
def test_an_unreadable_time_is_replaced_and_counted(text: str) -> None:
    reading = read(attached_node="node-a", attached_at=text)
    assert (reading.record.holders[0].attached_at, reading.replaced_times) == (NOW, 1)


def test_a_time_that_was_never_set_survives_being_written() -> None:
    never = datetime(1, 1, 1, tzinfo=UTC)
    assert parse_time(format_time(never)) == never


@pytest.mark.parametrize("epoch", ["", "many", "-1", "+1", "01", "1.0", " 1", "1" * 19, "\N{ARABIC-INDIC DIGIT ONE}"])
def test_an_epoch_that_is_no_decimal_integer_is_malformed(epoch: str) -> None:
    with pytest.raises(MalformedRecord, match=r"pv-7.*attachment-epoch"):
        read(attachment_epoch=epoch)


def test_an_epoch_of_zero_differs_from_none_in_the_mark() -> None:
    assert read(attachment_epoch="0").record.mark.epoch == 0


@pytest.mark.parametrize(
    "listed",
    ["hunter2", "{}", '["node-a"]', '[{"nodeId":"node-a","token":"hunter2"}]', '[{"nodeId":"node-a","accessMode":"hunter2"}]'],
)
def test_unreadable_attachments_are_malformed_and_not_shown(listed: str) -> None:
    with pytest.raises(MalformedRecord, match=r"pv-7.*unreadable.*attachments") as refused:
        read(attached_node="node-a", attachments=listed)
    assert "hunter2" not in str(refused.value)
    assert "pydantic" not in str(refused.value)


@pytest.mark.parametrize(
    "listed",
    ["[]", '[{"nodeId":"node-b"}]', '[{"nodeId":"node-b"},{"nodeId":"node-a"}]', '[{"nodeId":"node-a"},{"nodeId":"node-a"}]'],
)
def test_attachments_that_contradict_the_first_holder_are_malformed(listed: str) -> None:
    with pytest.raises(MalformedRecord, match="contradicts itself"):
        read(attached_node="node-a", attachments=listed)


def test_attachments_left_behind_by_a_detach_elsewhere_are_malformed() -> None:
    with pytest.raises(MalformedRecord, match="contradicts itself"):
        read(attachments='[{"nodeId":"node-a"}]', attachment_epoch="4")


def test_a_holder_that_is_no_node_id_is_malformed() -> None:
    with pytest.raises(MalformedRecord, match="no node id"):
        read(attached_node="n" * 257)


def test_listed_holders_keep_their_order_mode_and_context() -> None:
    listed = (
        '[{"nodeId":"node-b","attachedAt":"2026-01-31T04:00:41Z","accessMode":"MULTI_NODE_MULTI_WRITER","publishContext":{"lun":"3"}},'
        '{"nodeId":"node-a","accessMode":null,"readonly":true}]'
    )
    reading = read(attached_node="node-b", attachments=listed, attachment_epoch="2", attachment_operation="run-1")
    first, second = reading.record.holders
    assert (first.node_id, first.attached_at, first.publish_context) == ("node-b", SINCE, {"lun": "3"})
    assert (second.node_id, second.access_mode, second.readonly, second.attached_at) == ("node-a", None, True, NOW)
    assert (reading.record.operation, reading.record.epoch, reading.replaced_times) == ("run-1", 2, 1)

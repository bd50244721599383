"""The verdict on a VolumeAttachment that no record knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mooring.adoption.rules import in_question, judge, refusals
from mooring.cluster.volume_attachments import Attached, Volume, shared_mode
from mooring.models import AccessMode, VolumeRecord
from mooring.models.adoption import Finding, Verdict
from mooring.records.past import Past
from tests.harness.records import NOW, SHARED, attachment, record

FREE = record(epoch=None)


def volume(now: VolumeRecord = FREE, mode: AccessMode | None = None) -> Volume:
    return Volume("adopt.csi.test", "vol", "pv-1", now, mode)


def at(node: str | None, *, leaving: bool = False) -> Attached:
    """Return a VolumeAttachment that is attached to the node of this id."""
    return Attached(f"csi-{node}", "pv-1", f"host-of-{node}", node, NOW, {"device": "/dev/sdx"}, leaving)


def verdicts(findings: list[Finding]) -> list[tuple[str | None, Verdict, bool]]:
    return [(finding.node_id, finding.verdict, finding.publish_refused) for finding in findings]


@pytest.mark.parametrize("past", [Past.YOUNGER, Past.KEPT])
def test_what_no_record_knows_is_adopted_as_it_is(past: Past) -> None:
    [finding] = judge(volume(record(epoch=4)), [at("node-a")], {"csi-node-a": past})

    assert (finding.verdict, finding.publish_refused) == (Verdict.ADOPT, False)
    assert finding.request is not None
    assert (finding.request.epoch, finding.request.volume_attachment) == (4, "csi-node-a")
    assert finding.request.attachment == attachment("node-a", None).model_copy(update={"publish_context": {"device": "/dev/sdx"}})


def test_what_the_record_knows_is_left_alone() -> None:
    assert judge(volume(record("node-a")), [at("node-a")], {}) == []


def test_two_nodes_of_a_volume_for_one_are_disputed_and_both_named() -> None:
    findings = judge(volume(), [at("node-a"), at("node-b")], {})

    assert verdicts(findings) == [("node-a", Verdict.DISPUTED, True), ("node-b", Verdict.DISPUTED, True)]
    told = refusals(findings)["vol"]
    assert all(name in told for name in ("vol", "node node-a", "csi-node-a", "node node-b", "csi-node-b"))


def test_two_nodes_of_a_shared_volume_are_adopted_both() -> None:
    findings = judge(volume(mode=SHARED), [at("node-a"), at("node-b")], {})

    assert verdicts(findings) == [("node-a", Verdict.ADOPT, False), ("node-b", Verdict.ADOPT, False)]
    assert {finding.request.attachment.access_mode for finding in findings if finding.request} == {SHARED}


def test_a_shared_volume_that_is_held_for_exclusive_use_is_joined_by_nobody() -> None:
    [finding] = judge(volume(record("node-a"), SHARED), [at("node-b")], {})

    assert (finding.verdict, "node node-a" in finding.why, finding.publish_refused) == (Verdict.DRIFT, True, False)


def test_another_node_than_the_recorded_holder_is_drift_and_both_are_named() -> None:
    findings = judge(volume(record("node-a")), [at("node-b")], {})

    assert verdicts(findings) == [("node-b", Verdict.DRIFT, True)]
    assert all(name in findings[0].why for name in ("node node-a", "node node-b", "csi-node-b"))


def test_a_node_whose_id_nobody_says_is_not_guessed_and_keeps_the_volume_from_others() -> None:
    [finding] = judge(volume(), [at(None)], {})

    assert (finding.verdict, finding.publish_refused) == (Verdict.UNKNOWN_NODE, True)
    assert "host-of-None" in finding.why


def test_a_node_whose_id_nobody_says_keeps_no_shared_volume_from_others() -> None:
    findings = judge(volume(mode=SHARED), [at(None), at("node-b")], {})

    assert verdicts(findings) == [(None, Verdict.UNKNOWN_NODE, False), ("node-b", Verdict.ADOPT, False)]


@pytest.mark.parametrize(("epoch", "refused"), [(None, True), (3, False)])
def test_what_is_being_deleted_is_not_adopted_and_counts_until_an_operation_has_ended(epoch: int | None, refused: bool) -> None:
    assert verdicts(judge(volume(record(epoch=epoch)), [at("node-a", leaving=True)], {})) == [("node-a", Verdict.LEAVING, refused)]


def test_what_is_still_to_be_detached_disputes_the_volume() -> None:
    findings = judge(volume(), [at("node-a", leaving=True), at("node-b")], {})

    assert verdicts(findings) == [("node-a", Verdict.DISPUTED, True), ("node-b", Verdict.DISPUTED, True)]


def test_what_an_unpublish_has_left_behind_does_not() -> None:
    findings = judge(volume(record(epoch=2)), [at("node-a", leaving=True), at("node-b")], {"csi-node-b": Past.KEPT})

    assert verdicts(findings) == [("node-b", Verdict.ADOPT, False), ("node-a", Verdict.LEAVING, False)]


def test_a_node_that_no_request_can_name_is_told_apart() -> None:
    [finding] = judge(volume(), [at("n" * 257)], {})

    assert (finding.verdict, finding.request) == (Verdict.UNREADABLE, None)


@pytest.mark.parametrize(
    ("modes", "shared"),
    [
        (["ReadWriteOnce"], None),
        (["ReadWriteOncePod"], None),
        (["ReadWriteOnce", "ReadOnlyMany"], None),
        (["ReadOnlyMany"], AccessMode.MULTI_NODE_READER_ONLY),
        (["ReadWriteOnce", "ReadWriteMany"], AccessMode.MULTI_NODE_MULTI_WRITER),
        ([], None),
    ],
)
def test_the_access_modes_of_a_pv_say_whether_nodes_may_share_it(modes: list[str], shared: AccessMode | None) -> None:
    assert shared_mode(modes) is shared


def test_what_was_unpublished_since_its_volumeattachment_was_made_is_left_over_and_keeps_nobody_out() -> None:
    [finding] = judge(volume(record(epoch=4)), [at("node-a")], {"csi-node-a": Past.DETACHED})

    assert (finding.verdict, finding.publish_refused, finding.request) == (Verdict.FREED, False, None)
    assert "after VolumeAttachment csi-node-a was made" in finding.why


def test_what_may_be_left_over_is_not_adopted_and_keeps_the_volume_from_others() -> None:
    [finding] = judge(volume(record(epoch=4)), [at("node-a")], {"csi-node-a": Past.UNKNOWN})

    assert (finding.verdict, finding.publish_refused) == (Verdict.UNSURE, True)
    assert "unpublish it from that node, or delete the VolumeAttachment" in finding.why


def test_what_is_left_over_disputes_nothing() -> None:
    both = [at("node-a"), at("node-b")]
    findings = judge(volume(record(epoch=4)), both, {"csi-node-a": Past.DETACHED, "csi-node-b": Past.YOUNGER})
    held = judge(volume(record("node-b", epoch=4)), both, {"csi-node-a": Past.DETACHED})

    assert verdicts(findings) == [("node-b", Verdict.ADOPT, False), ("node-a", Verdict.FREED, False)]
    assert verdicts(held) == [("node-a", Verdict.FREED, False)]


@pytest.mark.parametrize(
    ("past", "verdict"),
    [
        (Past.DETACHED, Verdict.FREED),
        (Past.UNKNOWN, Verdict.UNSURE),
        (Past.KEPT, Verdict.ADOPT),
        (Past.YOUNGER, Verdict.ADOPT),
    ],
)
def test_a_shared_volume_is_joined_where_the_node_was_not_unpublished_since(past: Past, verdict: Verdict) -> None:
    shared = volume(record(attachment("node-b", SHARED), epoch=4), SHARED)

    assert verdicts(judge(shared, [at("node-a")], {"csi-node-a": past})) == [("node-a", verdict, False)]


def test_only_what_the_record_does_not_know_and_is_to_stay_raises_the_question() -> None:
    asked = [at("node-a"), at("node-b", leaving=True), at("node-c")]

    assert in_question(volume(), asked) == [asked[0], asked[2]]
    assert in_question(volume(record("node-c", epoch=4)), asked) == [asked[0]]


@pytest.mark.parametrize(("past", "verdict"), [(Past.DETACHED, Verdict.FREED), (Past.UNKNOWN, Verdict.ADOPT)])
def test_a_record_that_no_operation_wrote_is_of_a_pv_made_anew_where_the_node_was_unpublished(past: Past, verdict: Verdict) -> None:
    assert verdicts(judge(volume(), [at("node-a")], {"csi-node-a": past})) == [("node-a", verdict, False)]


def test_the_oldest_is_adopted_first() -> None:
    ages = [replace(at(node), since=NOW + timedelta(seconds=age)) for node, age in (("node-a", 2), ("node-c", 1), ("node-b", 1))]

    assert [finding.node_id for finding in judge(volume(mode=SHARED), ages, {})] == ["node-b", "node-c", "node-a"]

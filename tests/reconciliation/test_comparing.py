"""The drift of a volume, by what was asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mooring.cluster.node_usage import NodeUsage, unique_name
from mooring.cluster.volume_attachments import Attached
from mooring.models.drift import Drift, DriftKind, Heal, advice, hand_over
from mooring.models.reconciliation import HealResult, Outcome
from mooring.reconciliation.comparison import Evidence, behind, compare, compare_several, release, unpersisted
from mooring.reconciliation.result import conclude
from mooring.records.compact import CompactRecord
from mooring.states import State
from mooring.temporal.visibility import Waits
from tests.harness.records import NOW, SHARED, attachment, cached

Kinds = list[tuple[DriftKind, str, Heal]]
IN_STEP = Evidence(
    attached=None, published=None, uncleared={}, waiting={}, unsettled=set(), gone=lambda _: False, tracked=lambda _: ()
)
HELD = cached("vol", "node-a", epoch=3)
FREE = cached("vol", epoch=3)
UNWRITTEN = cached("vol", epoch=None)


def on(node: str | None, **fields: Any) -> Attached:
    """Return a VolumeAttachment of the PV, attached to the node of this id."""
    return Attached(
        **{"name": f"csi-{node}", "pv": "pv-1", "node": f"host-{node}", "node_id": node, "since": NOW, "context": {}, **fields}
    )


def kinds(pv: CompactRecord, **evidence: Any) -> Kinds:
    return [(drift.kind, drift.node_id, drift.heal) for drift in compare(pv, replace(IN_STEP, **evidence))]


def test_what_was_not_asked_is_compared_with_nothing() -> None:
    assert kinds(HELD) == []


def test_a_holder_whose_attachment_is_asked_for_and_there_is_in_step() -> None:
    assert kinds(HELD, attached={"pv-1": [on("node-a")]}, published={"vol": {"node-a"}}) == []


@pytest.mark.parametrize("each", [on("node-a", attached=False), on("node-a", leaving=True), on(None)])
def test_a_volume_attachment_in_any_state_asks_for_its_holder(each: Attached) -> None:
    assert kinds(HELD, attached={"pv-1": [each]}) == []


def test_a_holder_that_no_volume_attachment_asks_for_is_only_reported() -> None:
    assert kinds(HELD, attached={}) == [(DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT, "node-a", Heal.NONE)]


def test_it_is_released_where_its_node_says_that_it_does_not_use_the_volume() -> None:
    [drift] = compare(HELD, replace(IN_STEP, attached={}))
    other = frozenset({unique_name("d", "other")})

    assert release(drift, "d", NodeUsage(True, False, other)).heal is Heal.UNPUBLISH


@pytest.mark.parametrize(
    "node",
    [
        None,
        NodeUsage(ready=False, out_of_service=False, in_use=frozenset()),
        NodeUsage(ready=True, out_of_service=True, in_use=frozenset()),
        NodeUsage(ready=True, out_of_service=False, in_use=frozenset({"kubernetes.io/csi/d^vol"})),
    ],
)
def test_a_node_that_uses_it_or_can_not_say_keeps_it(node: NodeUsage | None) -> None:
    [drift] = compare(HELD, replace(IN_STEP, attached={}))

    assert release(drift, "d", node) == drift


def test_a_record_that_an_unpublish_left_uncleared_is_cleared_whatever_else_is_amiss() -> None:
    assert kinds(HELD, uncleared={"vol": "node-a"}, attached={}) == [(DriftKind.NOT_CLEARED, "node-a", Heal.UNPUBLISH)]
    assert kinds(HELD, uncleared={"vol": ""}) == [(DriftKind.NOT_CLEARED, "node-a", Heal.UNPUBLISH)]


def test_a_record_that_another_node_holds_since_is_not() -> None:
    assert kinds(HELD, uncleared={"vol": "node-b"}) == []


def test_a_node_that_is_gone_is_evacuated_where_that_needs_no_command() -> None:
    assert kinds(HELD, gone=lambda _: True, attached={}) == [(DriftKind.HOLDER_ON_GONE_NODE, "node-a", Heal.EVACUATE)]
    assert kinds(HELD, gone=lambda _: True, evacuates=False) == [(DriftKind.HOLDER_ON_GONE_NODE, "node-a", Heal.NONE)]


def test_a_volume_attachment_is_adopted_where_nothing_ever_wrote_the_record() -> None:
    assert kinds(UNWRITTEN, attached={"pv-1": [on("node-a")]}) == [
        (DriftKind.VOLUME_ATTACHMENT_WITHOUT_HOLDER, "node-a", Heal.ADOPT)
    ]


@pytest.mark.parametrize(
    ("pv", "attached"), [(FREE, [on("node-a")]), (UNWRITTEN, [on(None)]), (UNWRITTEN, [on("node-a"), on("node-b", leaving=True)])]
)
def test_one_that_somebody_may_have_meant_is_only_reported(pv: CompactRecord, attached: list[Attached]) -> None:
    [(kind, _, heal)] = kinds(pv, attached={"pv-1": attached})

    assert (kind, heal) == (DriftKind.VOLUME_ATTACHMENT_WITHOUT_HOLDER, Heal.NONE)


@pytest.mark.parametrize("each", [on("node-a", attached=False), on("node-a", leaving=True)])
def test_one_that_comes_or_goes_is_not_amiss(each: Attached) -> None:
    assert kinds(FREE, attached={"pv-1": [each]}) == []


def test_one_of_another_node_than_the_record_names_is_reported_beside_the_holder() -> None:
    assert kinds(HELD, attached={"pv-1": [on("node-b")]}) == [
        (DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT, "node-a", Heal.NONE),
        (DriftKind.VOLUME_ATTACHMENT_ELSEWHERE, "node-b", Heal.NONE),
    ]


def test_a_further_node_of_a_shared_volume_is_without_holder_and_not_elsewhere() -> None:
    shared = cached("vol", attachment("node-a", SHARED), epoch=3)

    assert kinds(shared, attached={"pv-1": [on("node-a"), on("node-b")]}) == [
        (DriftKind.VOLUME_ATTACHMENT_WITHOUT_HOLDER, "node-b", Heal.NONE)
    ]


def test_a_stray_under_a_name_that_is_no_node_id_is_only_reported() -> None:
    evidence: dict[str, Any] = {"published": {"vol": {"i-0abc"}}, "gone": lambda node: node == "i-0abc"}
    assert kinds(FREE, **evidence) == [(DriftKind.UNKNOWN_TO_RECORD, "i-0abc", Heal.NONE)]


def test_a_node_that_the_backend_alone_knows_is_a_stray() -> None:
    assert kinds(HELD, published={"vol": {"node-a", "node-b"}}) == [(DriftKind.UNKNOWN_TO_RECORD, "node-b", Heal.UNPUBLISH_STRAY)]


def test_one_that_may_be_the_holder_under_another_name_is_only_reported() -> None:
    assert kinds(HELD, published={"vol": {"i-0abc"}}) == [
        (DriftKind.UNKNOWN_TO_BACKEND, "node-a", Heal.NONE),
        (DriftKind.UNKNOWN_TO_RECORD, "i-0abc", Heal.NONE),
    ]


@pytest.mark.parametrize(
    ("pv", "evidence"),
    [
        (UNWRITTEN, {}),
        (FREE, {"unsettled": {"vol"}}),
        (FREE, {"waiting": {"vol": Waits("node-b", NOW)}}),
        (FREE, {"tracked": lambda _: ["node-b"]}),
    ],
)
def test_a_node_that_may_have_the_volume_is_none(pv: CompactRecord, evidence: dict[str, Any]) -> None:
    assert kinds(pv, published={"vol": {"node-b"}}, **evidence) == []


def test_a_holder_that_the_backend_does_not_show_is_only_reported() -> None:
    assert kinds(HELD, published={}) == [(DriftKind.UNKNOWN_TO_BACKEND, "node-a", Heal.NONE)]


def test_of_a_record_that_can_not_be_read_nothing_else_is_said() -> None:
    unreadable = CompactRecord.unreadable("vol", "pv-1", "uid", "Epoch: many.")

    assert kinds(unreadable, attached={"pv-1": [on("node-a")]}) == [(DriftKind.UNREADABLE_RECORD, "", Heal.NONE)]


def test_two_pvs_whose_holders_exclude_each_other_are_named() -> None:
    pvs = [cached("vol", "node-a"), cached("vol", "node-b", uid="u-2", pv="pv-2")]
    [drift] = compare_several(pvs, IN_STEP)
    assert drift.kind is DriftKind.DUPLICATE_VOLUME
    assert "pv-1 names node node-a" in drift.why
    assert "pv-2 names node node-b" in drift.why


def test_several_pvs_of_one_volume_are_compared_as_one() -> None:
    pvs = [cached("vol", epoch=None, uid="u-2", pv="pv-2"), cached("vol", "node-a", epoch=4)]
    [drift] = compare_several(pvs, replace(IN_STEP, attached={}))
    assert (drift.kind, drift.pv, drift.epoch) == (DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT, "pv-1", 4)


def test_beside_a_pv_that_cant_be_read_nothing_is_said_of_the_volume() -> None:
    pvs = [CompactRecord.unreadable("vol", "pv-2", "u-2", "it is odd."), cached("vol", "node-a")]
    assert [drift.kind for drift in compare_several(pvs, replace(IN_STEP, attached={}))] == [DriftKind.UNREADABLE_RECORD]


@pytest.mark.parametrize(("pv", "minutes", "drifts"), [("pv-1", 0, True), ("", 1, False), ("", 11, True)])
def test_an_attachment_may_wait_for_its_pv_but_not_for_long(pv: str, minutes: int, drifts: bool) -> None:
    found = unpersisted("vol", Waits("node-a", NOW), pv, NOW + timedelta(minutes=minutes))

    assert (found is not None) == drifts


@pytest.mark.parametrize(
    ("fresh", "known", "is_behind"),
    [
        (HELD, HELD, False),
        (HELD, None, True),
        (None, HELD, True),
        (HELD, cached("vol", epoch=2), True),
        (cached("vol", epoch=2), HELD, False),
        (HELD, cached("vol", "node-b", epoch=3), True),
        (HELD, HELD.doubted("node-a"), False),
    ],
)
def test_an_index_is_behind_where_it_is_older_or_says_otherwise(
    fresh: CompactRecord | None, known: CompactRecord | None, is_behind: bool
) -> None:
    assert (behind(fresh, known, "worker-1") is not None) == is_behind


def drift(handle: str, heal: Heal = Heal.NONE, epoch: int = 1) -> Drift:
    return Drift(kind=DriftKind.UNKNOWN_TO_RECORD, volume_handle=handle, node_id="node-a", epoch=epoch, why="So.", heal=heal)


def test_only_what_two_looks_show_at_one_epoch_counts() -> None:
    first = hand_over([drift("a"), drift("b"), drift("c")], 3)
    again = hand_over([drift("b"), drift("c", epoch=2), drift("d")], 4)

    both = first.confirmed_by(again)

    assert ([each.volume_handle for each in both.drifts], both.counts, both.compared) == (["b"], {"unknown_to_record": 1}, 4)


def test_of_very_many_drifts_the_first_that_can_be_healed_are_in_full_and_all_are_counted() -> None:
    many = [drift(f"{number:04}") for number in range(1000)] + [drift("z", Heal.UNPUBLISH)]

    both = hand_over(many, 1001).confirmed_by(hand_over(many[1:], 1000))

    assert (len(both.drifts), both.drifts[0].volume_handle, both.counts, both.due) == (499, "z", {"unknown_to_record": 1000}, 1)


def test_the_guard_counts_neither_evacuations_nor_rebuilds() -> None:
    assert hand_over([drift("a", heal) for heal in Heal], 1).due == 3


def test_advice_names_volume_and_node() -> None:
    held = Drift(kind=DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT, volume_handle="vol", node_id="node-a", why="So.")

    assert "`mooring unpublish vol node-a`" in advice(held)


def test_commands_in_advice_are_safe_to_paste_whatever_the_names() -> None:
    held = Drift(kind=DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT, volume_handle="a NODE; ls", node_id="node-a", why="So.")

    assert "`mooring unpublish 'a NODE; ls' node-a`" in advice(held)


def test_a_volume_attachment_elsewhere_is_never_advised_to_be_unpublished_where_it_is() -> None:
    [_, elsewhere] = compare(HELD, replace(IN_STEP, attached={"pv-1": [on("node-b")]}))

    assert "mooring unpublish" not in advice(elsewhere)


def test_a_result_counts_what_is_left_and_shows_it_first() -> None:
    healed, failed = drift("a", Heal.UNPUBLISH), drift("b", Heal.UNPUBLISH)
    results = {
        healed.key: HealResult(outcome=Outcome.HEALED, said=""),
        failed.key: HealResult(outcome=Outcome.FAILED, said="No."),
    }

    result = conclude("d", hand_over([healed, failed], 7), results, seconds=1, approval=None, unapproved="")

    assert [(each.volume_handle, each.outcome) for each in result.drifts] == [("b", Outcome.FAILED), ("a", Outcome.HEALED)]
    assert (result.state, result.left) == (State.DRIFTED, {"unknown_to_record": 1})
    assert result.message == "7 PersistentVolumes compared: 2 drifts, 1 healed, 1 failed, 1 left."


def test_what_could_not_be_compared_is_said() -> None:
    found = hand_over([], 7, ["The driver is away."])

    assert "Not compared: The driver is away." in conclude("d", found, {}, seconds=1, approval=None, unapproved="").message


def test_long_names_leave_a_payload_below_its_limit_and_none_uncounted() -> None:
    many = [
        Drift(kind=DriftKind.NOT_CLEARED, volume_handle="v" * 4000, node_id=f"node-{number}", why="v" * 4000, heal=Heal.UNPUBLISH)
        for number in range(400)
    ]
    found = hand_over(many, compared=400)
    result = conclude("d", found, {}, seconds=0, approval=None, unapproved="")

    assert len(found.model_dump_json()) < 1_500_000 > len(result.model_dump_json())
    assert 0 < len(found.drifts) < 400
    assert found.confirmed_by(found).counts == found.counts == result.left == {"not_cleared": 400}

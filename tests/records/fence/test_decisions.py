"""The fence's decisions about one record; test_explorer.py has what follows from them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mooring.errors import HeldElsewhere, Incompatible
from mooring.models import AccessMode, AccessType, Attachment, Precondition, PublishRequest, VolumeRecord, VolumeRef, Write
from mooring.records import fence, refusals
from mooring.records.copies import merge

VOLUME = VolumeRef(volume_handle="vol-7")
THEN = datetime(2026, 1, 31, tzinfo=UTC)
NOW = datetime(2026, 2, 1, tzinfo=UTC)
RWO = AccessMode.SINGLE_NODE_WRITER
RWX = AccessMode.MULTI_NODE_MULTI_WRITER
ONE_WRITER = AccessMode.MULTI_NODE_SINGLE_WRITER


def held(node: str, mode: AccessMode | None = RWO, readonly: bool = False, **context: str) -> Attachment:
    return Attachment(node_id=node, attached_at=THEN, access_mode=mode, readonly=readonly, publish_context=context)


def record(*holders: Attachment, epoch: int | None = 4, operation: str = "run-1") -> VolumeRecord:
    mark = Precondition(pv="pv-7", uid="uid-7", epoch=epoch, node=holders[0].node_id if holders else None)
    return VolumeRecord(mark=mark, operation=operation, holders=holders)


def ask(node: str, mode: AccessMode = RWO, readonly: bool = False) -> PublishRequest:
    return PublishRequest(volume_handle="vol-7", node_id=node, access_mode=mode, readonly=readonly)


def acquired(seen: VolumeRecord, asked: PublishRequest) -> fence.Acquire:
    decision = fence.acquire(seen, asked, "run-2", NOW)
    assert isinstance(decision, fence.Acquire)
    return decision


def nodes(write: Write | None) -> list[str]:
    assert write is not None
    return [holder.node_id for holder in write.holders]


def test_a_free_volume_is_claimed_against_the_record_that_was_seen() -> None:
    seen = record()
    acquire = acquired(seen, ask("node-a"))
    assert (acquire.write.mark, acquire.write.operation, acquire.renews) == (seen.mark, "run-2", False)
    assert acquire.write.holders == (Attachment(node_id="node-a", attached_at=NOW),)


def test_a_holder_claims_again_with_its_time_and_context() -> None:
    seen = record(held("node-a", lun="3"))
    acquire = acquired(seen, ask("node-a"))
    assert (acquire.write.holders, acquire.renews) == (seen.holders, True)


def test_a_claim_again_keeps_its_place_among_holders() -> None:
    seen = record(held("node-a", RWX), held("node-b", RWX))
    assert nodes(acquired(seen, ask("node-a", RWX)).write) == ["node-a", "node-b"]


def test_a_second_holder_comes_last() -> None:
    assert nodes(acquired(record(held("node-b", RWX)), ask("node-a", RWX)).write) == ["node-b", "node-a"]


def test_a_holder_that_another_program_wrote_claims_in_the_mode_it_asks_for() -> None:
    acquire = acquired(record(held("node-a", None), epoch=None), ask("node-a", RWX, readonly=True))
    assert (acquire.write.holders[0].access_mode, acquire.write.holders[0].readonly) == (RWX, True)


@pytest.mark.parametrize(
    ("holder", "asked"),
    [
        (held("node-a"), ask("node-b")),
        (held("node-a"), ask("node-b", RWX)),
        (held("node-a", RWX), ask("node-b")),
        (held("node-a", None), ask("node-b", RWX)),
        (held("node-a", RWX), ask("node-b", AccessMode.MULTI_NODE_READER_ONLY)),
        (held("node-a", ONE_WRITER), ask("node-b", ONE_WRITER)),
    ],
)
def test_another_node_is_refused_and_told_the_holder(holder: Attachment, asked: PublishRequest) -> None:
    decision = fence.acquire(record(holder), asked, "run-2", NOW)
    assert isinstance(decision, fence.Refuse)
    assert isinstance(decision.error, HeldElsewhere)
    assert all(name in str(decision.error) for name in ("vol-7", "node-a", "node-b"))


SNW, READER = AccessMode.SINGLE_NODE_WRITER, AccessMode.SINGLE_NODE_READER_ONLY
SNSW, SNMW = AccessMode.SINGLE_NODE_SINGLE_WRITER, AccessMode.SINGLE_NODE_MULTI_WRITER


@pytest.mark.parametrize(
    ("holder", "asked"),
    [
        (held("node-a"), ask("node-a", RWX)),
        (held("node-a"), ask("node-a", readonly=True)),
        (held("node-a"), ask("node-a", SNMW, readonly=True)),
        (held("node-a", SNSW), ask("node-a", SNMW)),
        (held("node-a", SNMW), ask("node-a", SNSW)),
        (held("node-a"), ask("node-a", READER)),
        (held("node-a", READER), ask("node-a")),
        (held("node-a", READER), ask("node-a", SNMW)),
        (held("node-a", RWX), ask("node-a", SNMW)),
    ],
)
def test_the_same_node_in_another_way_is_refused_as_incompatible(holder: Attachment, asked: PublishRequest) -> None:
    decision = fence.acquire(record(holder), asked, "run-2", NOW)
    assert isinstance(decision, fence.Refuse)
    assert isinstance(decision.error, Incompatible)


@pytest.mark.parametrize(("before", "after"), [(SNW, SNMW), (SNW, SNSW), (SNMW, SNW), (SNSW, SNW)])
def test_what_a_driver_of_another_version_has_the_attacher_send_is_taken_and_the_record_says_it(
    before: AccessMode, after: AccessMode
) -> None:
    decision = acquired(record(held("node-a", before)), ask("node-a", after))
    assert decision.renews
    assert [holder.access_mode for holder in decision.write.holders] == [after]


@pytest.mark.parametrize("mode", [SNW, SNSW, SNMW])
def test_on_another_node_no_single_node_mode_is_admitted(mode: AccessMode) -> None:
    assert isinstance(fence.acquire(record(held("node-a")), ask("node-b", mode), "run-2", NOW), fence.Refuse)


@pytest.mark.parametrize(("writer", "reader"), [(False, True), (True, False), (True, True)])
def test_one_writer_admits_readers_and_readers_a_writer(writer: bool, reader: bool) -> None:
    seen = record(held("node-a", ONE_WRITER, readonly=writer))
    assert acquired(seen, ask("node-b", ONE_WRITER, readonly=reader)).renews is False


def test_a_release_takes_only_its_node() -> None:
    seen = record(held("node-a", RWX), held("node-b", RWX))
    assert nodes(fence.release(seen, VOLUME, "node-a", "run-2")) == ["node-b"]


def test_a_release_without_a_node_takes_all() -> None:
    seen = record(held("node-a", RWX), held("node-b", RWX))
    assert nodes(fence.release(seen, VOLUME, "", "run-2")) == []


def test_a_release_of_what_is_not_held_writes_all_the_same() -> None:
    seen = record(held("node-b"))
    write = fence.release(seen, VOLUME, "node-a", "run-2")
    assert (write.holders, write.mark, write.operation) == (seen.holders, seen.mark, "run-2")


def test_an_undo_takes_away_what_this_operation_wrote() -> None:
    seen = record(held("node-b", RWX), held("node-a", RWX), operation="run-2")
    assert nodes(fence.undo(seen, VOLUME, "node-a", "run-2", renews=False)) == ["node-b"]


def test_an_undo_leaves_a_node_that_held_before() -> None:
    assert fence.undo(record(held("node-a"), operation="run-2"), VOLUME, "node-a", "run-2", renews=True) is None


def test_an_undo_leaves_what_another_operation_wrote() -> None:
    assert fence.undo(record(held("node-a"), operation="run-1"), VOLUME, "node-a", "run-2", renews=False) is None


@pytest.mark.parametrize("others", [(), (held("node-b"),)])
@pytest.mark.parametrize("renews", [False, True])
def test_an_undo_burns_the_epoch_of_a_record_without_its_node(others: tuple[Attachment, ...], renews: bool) -> None:
    write = fence.undo(record(*others), VOLUME, "node-a", "run-2", renews=renews)
    assert write is not None
    assert (write.holders, write.operation) == (others, "run-2")


def test_an_undo_burns_only_once() -> None:
    assert fence.undo(record(operation="run-2"), VOLUME, "node-a", "run-2", renews=False) is None


def test_a_publish_context_is_kept_with_its_node_alone() -> None:
    seen = record(held("node-a", RWX), held("node-b", RWX, lun="1"))
    write = fence.describe(seen, "node-a", "run-2", VOLUME, {"lun": "3"})
    assert write is not None
    assert [holder.publish_context for holder in write.holders] == [{"lun": "3"}, {"lun": "1"}]


@pytest.mark.parametrize("seen", [record(), record(held("node-a", lun="3"))])
def test_a_publish_context_that_is_kept_or_has_no_holder_is_not_written(seen: VolumeRecord) -> None:
    assert fence.describe(seen, "node-a", "run-2", VOLUME, {"lun": "3"}) is None


def landed_as(found: VolumeRecord) -> bool:
    return fence.landed(acquired(record(epoch=4), ask("node-a")).write, found)


def test_a_write_recognises_what_it_made() -> None:
    assert landed_as(record(held("node-a"), epoch=5, operation="run-2"))


@pytest.mark.parametrize(
    "found",
    [
        record(held("node-a"), epoch=5, operation="run-1"),
        record(held("node-a"), epoch=4, operation="run-2"),
        record(held("node-a"), epoch=6, operation="run-2"),
        record(held("node-b"), epoch=5, operation="run-2"),
        record(epoch=5, operation="run-2"),
    ],
)
def test_a_write_recognises_nothing_else(found: VolumeRecord) -> None:
    assert not landed_as(found)


def test_a_write_does_not_recognise_another_pv() -> None:
    found = record(held("node-a"), epoch=5, operation="run-2")
    assert not landed_as(found.model_copy(update={"mark": found.mark.model_copy(update={"uid": "uid-8"})}))


def test_a_first_write_is_recognised_at_epoch_one() -> None:
    write = acquired(record(epoch=None), ask("node-a")).write
    assert fence.landed(write, record(held("node-a"), epoch=1, operation="run-2"))


def test_a_record_is_current_for_the_run_that_wrote_it_alone() -> None:
    assert fence.is_current(record(operation="run-2"), "run-2")
    assert not fence.is_current(record(operation="run-1"), "run-2")


def block(node: str) -> PublishRequest:
    return ask(node, RWX).model_copy(update={"access_type": AccessType(block=True)})


@pytest.mark.parametrize(("most", "holders"), [(1, ["node-a"]), (2, ["node-a", "node-b"])])
def test_a_block_volume_that_migrates_is_kept_from_one_node_too_many(most: int, holders: list[str]) -> None:
    decision = fence.acquire(record(*(held(node, RWX) for node in holders)), block("node-c"), "run-2", NOW, migration_nodes=most)
    assert isinstance(decision, fence.Refuse)
    assert isinstance(decision.error, HeldElsewhere)
    assert all(node in str(decision.error) for node in holders)
    assert "set that higher for the workers, or to 0 for any number" in str(decision.error)


def test_a_node_that_takes_part_in_a_migration_may_claim_again() -> None:
    seen = record(held("node-a", RWX), held("node-b", RWX))
    decision = fence.acquire(seen, block("node-a"), "run-2", NOW, migration_nodes=2)
    assert isinstance(decision, fence.Acquire)
    assert decision.renews


@pytest.mark.parametrize(("asked", "most"), [(block("node-c"), 0), (block("node-c"), 3), (ask("node-c", RWX), 2)])
def test_a_volume_without_the_limit_is_shared(asked: PublishRequest, most: int) -> None:
    seen = record(held("node-a", RWX), held("node-b", RWX))
    assert isinstance(fence.acquire(seen, asked, "run-2", NOW, migration_nodes=most), fence.Acquire)


def several(*records: VolumeRecord) -> VolumeRecord:
    """Return the record of one volume, of PVs that are named in this order."""
    marks = [each.mark.model_copy(update={"pv": f"pv-{place}", "uid": f"uid-{place}"}) for place, each in enumerate(records)]
    return merge([each.model_copy(update={"mark": mark}) for each, mark in zip(records, marks, strict=True)])


def test_a_claim_is_made_on_every_pv_of_the_volume() -> None:
    write = acquired(several(record(epoch=4), record(epoch=None)), ask("node-a")).write
    assert [[holder.node_id for holder in part.holders] for part in write.parts] == [["node-a"], ["node-a"]]
    assert ([part.mark.epoch for part in write.parts], write.epoch) == ([4, None], 5)


def test_who_any_pv_names_keeps_others_out() -> None:
    decision = fence.acquire(several(record(epoch=9), record(held("node-b"), epoch=1)), ask("node-a"), "run-2", NOW)
    assert isinstance(decision, fence.Refuse)
    assert isinstance(decision.error, HeldElsewhere)


def test_a_pv_takes_over_the_holders_of_those_written_before_it_and_of_no_other() -> None:
    seen = several(record(held("node-a", RWX), epoch=9), record(held("node-b", RWX), epoch=3), record(epoch=1))
    parts = fence.release(seen, VOLUME, "node-c", "run-2").parts
    assert [[holder.node_id for holder in part.holders] for part in parts] == [
        ["node-a"],
        ["node-a", "node-b"],
        ["node-a", "node-b"],
    ]


def test_holders_that_may_share_the_volume_do_not_disagree_and_others_do() -> None:
    shared = several(record(held("node-a", RWX)), record(held("node-b", RWX)))
    assert refusals.disagreement(shared, "vol-7") is None
    for mode in (RWO, None, ONE_WRITER):
        rivals = several(record(held("node-a", mode)), record(held("node-b", mode)))
        assert "pv-0 names node node-a" in str(refusals.disagreement(rivals, "vol-7"))
        assert isinstance(fence.acquire(rivals, ask("node-a", RWX), "run-2", NOW), fence.Refuse)


def test_what_a_refused_claim_left_on_one_pv_is_undone_on_all() -> None:
    seen = several(record(held("node-a"), operation="run-2"), record(operation="run-1"))
    undone = fence.undo(seen, VOLUME, "node-a", "run-2", renews=False)
    assert undone is not None
    assert [part.holders for part in undone.parts] == [(), ()]
    rival = several(record(held("node-a"), operation="run-2"), record(held("node-b"), operation="run-1"))
    refused = fence.acquire(rival, ask("node-a"), "run-2", NOW)
    assert isinstance(refused, fence.Refuse)
    assert isinstance(refused.error, HeldElsewhere)
    assert not fence.stays(acquired(seen, ask("node-a")), seen, "run-2", stayed=False)
    assert fence.stays(acquired(seen, ask("node-a")), seen, "run-3", stayed=False)

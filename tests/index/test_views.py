"""Of several views of a PV, which one the index believes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product

import pytest

from mooring.errors import MalformedRecord
from mooring.index.manager import AttachmentManager
from mooring.records.compact import CompactRecord
from mooring.records.store import Change, ChangeKind
from tests.harness.records import cached, record, seen

OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def known(*records: CompactRecord) -> AttachmentManager:
    manager = AttachmentManager()
    manager.replace_all(records)
    return manager


def malformed(handle: str) -> CompactRecord:
    return CompactRecord.unreadable(handle, "pv-1", record().mark.uid, "its epoch is many")


def holder(manager: AttachmentManager) -> str | None:
    held = manager.get_attachment("vol-1")
    return held.node_id if held else None


def test_nothing_is_known_of_a_volume_that_was_never_seen() -> None:
    manager = AttachmentManager()
    assert (manager.observe("vol-1"), manager.pv_name("vol-1"), manager.get_attachment("vol-1")) == (None, None, None)


def test_what_was_seen_is_observed_whole() -> None:
    assert known(cached("vol-1", "node-a", epoch=3)).observe("vol-1") == record("node-a", epoch=3)


@pytest.mark.parametrize(("epoch", "expected"), [(2, "node-a"), (3, "node-b"), (4, "node-b")])
def test_what_this_worker_wrote_or_read_stands_unless_a_higher_epoch_is_known(epoch: int, expected: str) -> None:
    manager = known(cached("vol-1", "node-a", epoch=3))
    manager.learn("vol-1", record("node-b", epoch=epoch))
    assert holder(manager) == expected


@pytest.mark.parametrize(("epoch", "expected"), [(2, "node-a"), (3, "node-b"), (4, "node-b")])
def test_an_event_stands_unless_a_higher_epoch_is_known(epoch: int, expected: str) -> None:
    manager = known(cached("vol-1", "node-a", epoch=3))
    manager.apply_event(seen("vol-1", "node-b", epoch=epoch))
    assert holder(manager) == expected


def test_a_record_without_an_epoch_counts_as_epoch_0() -> None:
    manager = known(cached("vol-1", epoch=None))
    manager.apply_event(seen("vol-1", "node-a", epoch=None))
    assert holder(manager) == "node-a"
    manager.learn("vol-1", record("node-b", epoch=1))
    assert holder(manager) == "node-b"


def test_learning_of_a_pv_that_is_not_known_enters_nothing() -> None:
    manager = AttachmentManager()
    manager.learn("vol-1", record("node-a"))
    assert manager.observe("vol-1") is None


def test_learning_late_of_a_deleted_pv_does_not_bring_it_back() -> None:
    manager = known(cached("vol-1", "node-a"))
    manager.apply_event(Change(ChangeKind.GONE, cached("vol-1", "node-a")))
    manager.learn("vol-1", record("node-a", epoch=9))
    assert (manager.observe("vol-1"), manager.attachments) == (None, 0)


def test_learning_of_a_pv_made_anew_waits_for_the_watch() -> None:
    manager = known(cached("vol-1", "node-a", epoch=9))
    manager.learn("vol-1", record("node-b", epoch=9, uid=OTHER))
    assert holder(manager) == "node-a"


def test_a_pv_made_anew_under_its_name_replaces_the_old_one_at_any_epoch() -> None:
    manager = known(cached("vol-1", "node-a", epoch=9))
    manager.apply_event(seen("vol-1", epoch=None, uid=OTHER))
    assert manager.observe("vol-1") == record(epoch=None, uid=OTHER)


def test_the_late_news_that_the_old_pv_is_gone_leaves_the_new_one() -> None:
    manager = known(cached("vol-1", "node-a", uid=OTHER))
    manager.apply_event(Change(ChangeKind.GONE, cached("vol-1", "node-a")))
    assert holder(manager) == "node-a"


def test_two_pvs_with_one_handle_are_one_volume() -> None:
    manager = known(cached("vol-1", "node-a"))
    manager.apply_event(seen("vol-1", "node-a", uid=OTHER, pv="pv-2"))
    found = manager.observe("vol-1")
    assert found is not None
    assert ([mark.pv for mark in found.marks], [held.node_id for held in found.everyone]) == (["pv-1", "pv-2"], ["node-a"])
    assert (manager.counts.holders, manager.counts.attached, manager.volumes_on("node-a")) == (1, 1, 1)
    assert (manager.counts.duplicates, set(manager.pvs("vol-1"))) == (0, {"pv-1", "pv-2"})


def test_a_record_that_leads_to_a_pv_that_is_not_known_is_not_decided_on() -> None:
    manager = known(CompactRecord.of("vol-1", record("node-a").model_copy(update={"beside": ("pv-2",)})))
    assert (manager.observe("vol-1"), manager.nodes_of("vol-1")) == (None, ["node-a"])
    manager.apply_event(seen("vol-1", "node-a", uid=OTHER, pv="pv-2"))
    assert manager.observe("vol-1") is not None


def test_two_pvs_whose_holders_exclude_each_other_are_counted() -> None:
    manager = known(cached("vol-1", "node-a"), cached("vol-1", "node-b", uid=OTHER, pv="pv-2"))
    assert (manager.counts.duplicates, manager.counts.holders, manager.nodes_of("vol-1")) == (1, 2, ["node-b", "node-a"])


@pytest.mark.parametrize(("gone", "left"), [("pv-1", "pv-2"), ("pv-2", "pv-1")])
def test_when_one_of_two_pvs_is_deleted_the_other_one_counts(gone: str, left: str) -> None:
    uids = {"pv-1": record().mark.uid, "pv-2": OTHER}
    manager = known(*(cached("vol-1", uid=uid, pv=pv) for pv, uid in uids.items()))
    manager.apply_event(Change(ChangeKind.GONE, cached("vol-1", uid=uids[gone], pv=gone)))
    found = manager.observe("vol-1")
    assert found is not None
    assert found.mark.pv == left


def test_a_record_that_could_not_be_read_is_refused_with_its_reason() -> None:
    with pytest.raises(MalformedRecord, match="its epoch is many"):
        known(malformed("vol-1")).observe("vol-1")


def test_a_record_that_was_corrected_is_believed_again() -> None:
    manager = known(malformed("vol-1"))
    manager.apply_event(seen("vol-1", "node-a", epoch=1))
    assert holder(manager) == "node-a"


def test_a_record_that_became_unreadable_is_not_believed_any_longer() -> None:
    manager = known(cached("vol-1", "node-a", epoch=9))
    manager.apply_event(Change(ChangeKind.SEEN, malformed("vol-1")))
    with pytest.raises(MalformedRecord):
        manager.observe("vol-1")
    assert manager.attachments == 0


def test_a_pv_that_goes_while_its_record_cannot_be_read_leaves_its_holder() -> None:
    manager = known(cached("vol-1", "node-a", epoch=9))
    manager.apply_event(Change(ChangeKind.SEEN, malformed("vol-1")))
    manager.apply_event(Change(ChangeKind.GONE, malformed("vol-1")))
    assert [held.node_id for departure in manager.departures.open() for held in departure.holders] == ["node-a"]


LOOKS = (malformed("vol-1"), *(cached("vol-1", epoch=epoch) for epoch in (None, 1, 2)))
"""States in which a PV may be seen."""


def watched(looks: Iterable[CompactRecord]) -> CompactRecord | None:
    manager = known()
    for look in looks:
        manager.apply_event(Change(ChangeKind.SEEN, look))
    return manager.known("vol-1", LOOKS[0].uid)


def listed(looks: Iterable[CompactRecord]) -> CompactRecord | None:
    manager = known()
    for look in looks:
        manager.replace_all([look])
    return manager.known("vol-1", LOOKS[0].uid)


def taken_as_it_comes(looks: Iterable[CompactRecord]) -> CompactRecord | None:
    """Return what is known if a record that can't be read replaces one that could."""
    last: CompactRecord | None = None
    for look in looks:
        last = look if look.problem or (last and last.problem) else look.after(last)
    return last


def forgetting(follow: Callable[[Iterable[CompactRecord]], CompactRecord | None]) -> list[tuple[CompactRecord, ...]]:
    """Return the stories after which less than the highest epoch is known, or the PV passes for readable when it isn't."""

    def forgets(looks: Sequence[CompactRecord]) -> bool:
        seen = follow(looks)
        return seen is None or seen.fence < max(look.fence for look in looks) or bool(seen.problem) != bool(looks[-1].problem)

    return [looks for length in range(1, 5) for looks in product(LOOKS, repeat=length) if forgets(looks)]


@pytest.mark.parametrize("follow", [watched, listed])
def test_no_look_whatever_it_brings_has_an_epoch_forgotten(
    follow: Callable[[Iterable[CompactRecord]], CompactRecord | None],
) -> None:
    assert forgetting(follow) == []


def test_an_epoch_would_be_forgotten_where_what_cannot_be_read_took_the_place_of_what_could() -> None:
    assert forgetting(taken_as_it_comes)


def test_a_sign_of_life_changes_nothing() -> None:
    manager = known(cached("vol-1", "node-a"))
    manager.apply_event(Change(ChangeKind.ALIVE))
    assert holder(manager) == "node-a"

"""The rebuild's one step: a list of all PVs in place of what was known."""

from __future__ import annotations

import random

from mooring.index.manager import AttachmentManager, Counts
from mooring.records.store import Change, ChangeKind
from tests.harness.records import SHARED, attachment, cached, record, seen

OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def holders(manager: AttachmentManager) -> dict[str, str]:
    return {entry.volume_handle: entry.attachment.node_id for entry in manager.list_attachments()}


def test_what_the_list_does_not_have_is_forgotten() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", "node-a")])
    manager.replace_all([cached("vol-2", "node-b")])
    assert holders(manager) == {"vol-2": "node-b"}


def test_of_one_pv_the_higher_epoch_of_index_and_list_stands() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", "node-a", epoch=5), cached("vol-2", "node-a", epoch=5)])
    manager.replace_all([cached("vol-1", "node-b", epoch=4), cached("vol-2", "node-b", epoch=6)])
    assert holders(manager) == {"vol-1": "node-a", "vol-2": "node-b"}


def test_a_pv_made_anew_stands_whatever_its_epoch() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", "node-a", epoch=5)])
    manager.replace_all([cached("vol-1", "node-b", epoch=1, uid=OTHER)])
    assert holders(manager) == {"vol-1": "node-b"}


def test_what_is_learned_while_the_list_is_read_is_kept() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1"), cached("vol-2", uid=OTHER)])
    draft = manager.draft()
    draft.add([cached("vol-1")])
    manager.learn("vol-1", record("node-a", epoch=2))
    manager.learn("vol-2", record("node-b", epoch=2, uid=OTHER))
    draft.add([cached("vol-2", uid=OTHER)])
    manager.replace_all(draft)
    assert holders(manager) == {"vol-1": "node-a", "vol-2": "node-b"}


def test_the_index_in_use_is_the_old_one_until_the_list_is_complete() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", "node-a")])
    draft = manager.draft()
    draft.add([cached("vol-2", "node-b")])
    assert holders(manager) == {"vol-1": "node-a"}


def test_tracked_attachments_stay_unless_a_record_has_them() -> None:
    manager = AttachmentManager()
    manager.track_attachment("vol-1", attachment("node-a"))
    manager.track_attachment("vol-2", attachment("node-b"))
    manager.replace_all([cached("vol-1", "node-a")])
    assert {entry.volume_handle: entry.persisted for entry in manager.list_attachments()} == {"vol-1": True, "vol-2": False}


def test_counts_tell_volumes_attached_ones_holders_and_the_unpersisted() -> None:
    manager = AttachmentManager()
    shared = [attachment(node, SHARED) for node in ("node-a", "node-b")]
    manager.replace_all([cached("vol-1", *shared), cached("vol-2", "node-a"), cached("vol-3")])
    manager.track_attachment("vol-4", attachment("node-c"))
    assert manager.counts == Counts(volumes=3, attached=2, holders=3, duplicates=0, unpersisted=1)
    assert manager.attachments == 4


def test_the_count_is_that_of_the_list_after_any_sequence_of_changes() -> None:
    dice = random.Random(7)  # noqa: S311 - the same sequence in every run
    manager = AttachmentManager()
    for _ in range(3000):
        handle, node, pv = f"vol-{dice.randrange(4)}", f"node-{dice.randrange(3)}", f"pv-{dice.randrange(3)}"
        nodes = [attachment(node, SHARED)] * dice.randrange(2)
        view = cached(handle, *nodes, epoch=dice.randrange(9), uid=dice.choice([OTHER, f"uid-{pv}"]), pv=pv)
        step = dice.randrange(6)
        if step == 0:
            manager.apply_event(Change(ChangeKind.GONE, view))
        elif step == 1:
            manager.track_attachment(handle, attachment(node, SHARED))
        elif step == 2:
            manager.untrack_attachment(handle, dice.choice([node, ""]))
        elif step == 3:
            manager.learn(handle, view.record())
        else:
            manager.apply_event(seen(handle, *nodes, epoch=view.epoch, pv=pv))
        assert manager.attachments == len(manager.list_attachments())

"""Attachments that no PV records yet: entered, refused, taken out."""

from __future__ import annotations

import pytest

from mooring.errors import HeldElsewhere, Incompatible
from mooring.index.manager import AttachmentManager
from mooring.models import AccessMode
from tests.harness.records import SHARED, attachment, cached, record, seen


def test_a_tracked_attachment_is_there_and_not_persisted() -> None:
    manager = AttachmentManager()
    assert manager.track_attachment("vol-1", attachment("node-a"))
    [entry] = manager.list_attachments()
    assert (entry.volume_handle, entry.attachment, entry.persisted) == ("vol-1", attachment("node-a"), False)
    assert manager.get_attachment("vol-1") == manager.get_attachment("vol-1", "node-a") == attachment("node-a")


def test_the_same_node_again_changes_nothing() -> None:
    manager = AttachmentManager()
    manager.track_attachment("vol-1", attachment("node-a"))
    assert manager.track_attachment("vol-1", attachment("node-a")) is False
    assert manager.attachments == 1


def test_the_node_that_a_pv_records_is_not_tracked_beside_it() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", "node-a")])
    assert manager.track_attachment("vol-1", attachment("node-a")) is False
    assert manager.attachments == 1


def test_another_node_is_refused_and_told_the_holder() -> None:
    manager = AttachmentManager()
    manager.track_attachment("vol-1", attachment("node-a"))
    with pytest.raises(HeldElsewhere, match="held by node node-a"):
        manager.track_attachment("vol-1", attachment("node-b"))
    assert manager.get_attachment("vol-1", "node-b") is None


def test_the_same_node_in_another_mode_is_refused() -> None:
    manager = AttachmentManager()
    manager.track_attachment("vol-1", attachment("node-a"))
    with pytest.raises(Incompatible, match="node-a"):
        manager.track_attachment("vol-1", attachment("node-a", AccessMode.SINGLE_NODE_READER_ONLY))


def test_several_nodes_may_hold_a_shared_volume() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", attachment("node-a", SHARED))])
    assert manager.track_attachment("vol-1", attachment("node-b", SHARED))
    assert [entry.attachment.node_id for entry in manager.list_attachments()] == ["node-a", "node-b"]


def test_what_is_untracked_is_gone() -> None:
    manager = AttachmentManager()
    manager.track_attachment("vol-1", attachment("node-a"))
    manager.untrack_attachment("vol-1", "node-a")
    assert (manager.get_attachment("vol-1"), manager.list_attachments(), manager.attachments) == (None, [], 0)


def test_untracking_one_node_leaves_the_others() -> None:
    manager = AttachmentManager()
    for node in ("node-a", "node-b"):
        manager.track_attachment("vol-1", attachment(node, SHARED))
    manager.untrack_attachment("vol-1", "node-a")
    assert [entry.attachment.node_id for entry in manager.list_attachments()] == ["node-b"]


def test_untracking_what_is_not_there_is_no_error() -> None:
    manager = AttachmentManager()
    manager.untrack_attachment("vol-1", "node-a")
    assert manager.attachments == 0


def test_untracking_what_a_pv_records_leaves_nothing_to_decide_on_until_the_pv_is_read() -> None:
    # A write landed, its answer was lost, and the watch was faster than the failure.
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", "node-a", epoch=4)])
    manager.untrack_attachment("vol-1", "node-a")
    assert (manager.get_attachment("vol-1"), manager.observe("vol-1"), manager.attachments) == (None, None, 0)
    assert manager.pv_name("vol-1") == "pv-1"
    manager.learn("vol-1", record("node-a", epoch=4))
    assert manager.observe("vol-1") == record("node-a", epoch=4)


def test_a_node_that_is_doubted_is_listed_as_long_as_its_pv_names_it() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", attachment("node-a", SHARED), attachment("node-b", SHARED), epoch=4)])
    manager.untrack_attachment("vol-1", "node-b")
    assert (manager.nodes_of("vol-1"), manager.listed_nodes("vol-1")) == (["node-a"], ["node-a", "node-b"])
    manager.learn("vol-1", record("node-a", epoch=5))
    assert manager.listed_nodes("vol-1") == ["node-a"]


def test_an_empty_node_untracks_every_node() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", attachment("node-a", SHARED))])
    manager.track_attachment("vol-1", attachment("node-b", SHARED))
    manager.untrack_attachment("vol-1", "")
    assert manager.attachments == 0


def test_what_a_pv_records_is_not_tracked_any_longer() -> None:
    manager = AttachmentManager()
    manager.track_attachment("vol-1", attachment("node-a"))
    manager.apply_event(seen("vol-1", "node-a"))
    assert [entry.persisted for entry in manager.list_attachments()] == [True]
    assert manager.counts.unpersisted == 0


def test_what_is_tracked_no_longer_stays_where_a_pv_records_it() -> None:
    manager = AttachmentManager()
    manager.track_attachment("vol-1", attachment("node-a"))
    manager.apply_event(seen("vol-1", "node-a", epoch=4))
    manager.stop_tracking("vol-1", "node-a")
    assert manager.observe("vol-1") == record("node-a", epoch=4)
    assert manager.volumes_on("node-a") == 1


def test_what_is_tracked_no_longer_is_gone_where_no_pv_records_it() -> None:
    manager = AttachmentManager()
    for node in ("node-a", "node-b"):
        manager.track_attachment("vol-1", attachment(node, SHARED))
    manager.stop_tracking("vol-1", "node-a")
    assert [entry.attachment.node_id for entry in manager.list_attachments()] == ["node-b"]


def test_the_list_is_the_callers() -> None:
    manager = AttachmentManager()
    manager.track_attachment("vol-1", attachment("node-a"))
    manager.list_attachments().clear()
    assert manager.attachments == 1

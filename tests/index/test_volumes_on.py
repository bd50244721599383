"""The number of volumes on a node, as the index counts them."""

from __future__ import annotations

from mooring.index.manager import AttachmentManager
from mooring.records.store import Change, ChangeKind
from tests.harness.records import SHARED, attachment, cached, seen


def counted(manager: AttachmentManager, *nodes: str) -> list[int]:
    return [manager.volumes_on(node) for node in nodes]


def test_every_holder_counts_once_a_volume() -> None:
    manager = AttachmentManager()

    manager.replace_all([cached("vol-1", "node-a"), cached("vol-2", attachment("node-a", SHARED), attachment("node-b", SHARED))])

    assert counted(manager, "node-a", "node-b", "node-c") == [2, 1, 0]


def test_a_volume_that_moves_is_counted_where_it_is() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", "node-a", epoch=1)])

    manager.apply_event(seen("vol-1", "node-b", epoch=3))

    assert counted(manager, "node-a", "node-b") == [0, 1]


def test_a_pv_that_goes_is_counted_no_more() -> None:
    manager = AttachmentManager()
    manager.replace_all([cached("vol-1", "node-a")])

    manager.apply_event(Change(ChangeKind.GONE, cached("vol-1", "node-a")))

    assert counted(manager, "node-a") == [0]


def test_a_tracked_attachment_counts_until_it_is_untracked() -> None:
    manager = AttachmentManager()

    manager.track_attachment("vol-1", attachment("node-a"))
    assert counted(manager, "node-a") == [1]

    manager.untrack_attachment("vol-1", "node-a")
    assert counted(manager, "node-a") == [0]


def test_a_tracked_attachment_that_is_recorded_counts_once() -> None:
    manager = AttachmentManager()
    manager.track_attachment("vol-1", attachment("node-a"))

    manager.apply_event(seen("vol-1", "node-a"))

    assert counted(manager, "node-a") == [1]

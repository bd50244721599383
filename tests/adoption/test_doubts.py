"""The volumes in doubt, as the looks of adoption leave them."""

from __future__ import annotations

from mooring.adoption.doubts import Doubts
from mooring.models.adoption import Finding, Verdict


def finding(handle: str, verdict: Verdict, *, refused: bool = False) -> Finding:
    name = f"attachment-of-{handle}"
    return Finding(
        volume_handle=handle,
        pv=handle,
        node="node-a",
        node_id="node-a",
        volume_attachment=name,
        verdict=verdict,
        why=name if refused else "",
        publish_refused=refused,
    )


def doubts() -> Doubts:
    """Return the doubts of two volumes that are refused, and of a shared one that is not."""
    made = Doubts()
    disputed = [finding(handle, Verdict.DISPUTED, refused=True) for handle in ("one", "other")]
    made.take_in([*disputed, finding("shared", Verdict.LEAVING)], None)
    return made


def test_a_volume_that_is_refused_is_not_settled_either() -> None:
    assert doubts().refused == {"one": "attachment-of-one", "other": "attachment-of-other"}
    assert doubts().unsettled == {"one", "other", "shared"}


def test_a_look_at_some_volumes_keeps_what_is_known_of_the_others() -> None:
    left = doubts()
    left.take_in([finding("one", Verdict.ADOPTED)], ["one"])
    assert left.refused == {"other": "attachment-of-other"}
    assert left.unsettled == {"other", "shared"}


def test_a_volume_that_a_look_at_it_no_longer_finds_is_settled() -> None:
    left = doubts()
    left.take_in([], left.refused)
    assert not left.refused
    assert left.unsettled == {"shared"}


def test_a_look_at_all_volumes_takes_the_place_of_what_was_known() -> None:
    left = doubts()
    left.take_in([finding("new", Verdict.UNSURE, refused=True)], None)
    assert set(left.refused) == left.unsettled == {"new"}

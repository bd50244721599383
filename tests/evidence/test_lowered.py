"""The test for a PV whose epoch is lower than an operation knew it to be: all of a few epochs are tried."""

from __future__ import annotations

from itertools import product

from mooring.evidence.past_holders import altered, lowered
from mooring.models import VolumeRecord
from tests.harness.records import record

EPOCHS = (None, 1, 2, 3)
OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def known_of(left: VolumeRecord) -> int:
    """Return the highest epoch that the operation knew of the PV."""
    return max(left.epoch, left.floor)


def test_it_does_where_the_operation_knew_a_higher_one_of_this_very_pv() -> None:
    for live, wrote, refused in product(EPOCHS, EPOCHS, EPOCHS):
        left = record("node-a", epoch=wrote)
        if (refused or 0) > left.epoch:
            left = altered(left, record("node-a", epoch=refused))

        assert lowered(record(epoch=live), left) is ((live or 0) < known_of(left)), (live, wrote, refused)


def test_what_was_known_of_another_pv_says_nothing() -> None:
    assert not any(lowered(record(epoch=live, uid=OTHER), record("node-a", epoch=wrote)) for live, wrote in product(EPOCHS, EPOCHS))


def test_a_floor_of_the_volume_is_none_of_a_pv_that_was_made_anew() -> None:
    left = record("node-a", epoch=None).model_copy(update={"floor": 3})

    assert not lowered(record(epoch=1), left)

"""Workflow ids of volumes and nodes, however long their names are."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from mooring.models import VolumeRef
from mooring.names import SHORT_BYTES, evacuate_id, handle_memo, migration_id, read_id, short, summary, unpersisted_id, volume_id

IDS = (volume_id, unpersisted_id, read_id, migration_id)
ANY = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
DRIVER = "d" * 63


@given(ANY)
@example("v" * (SHORT_BYTES - 1))
@example("ä" * ((SHORT_BYTES - 1) // 2))
def test_a_name_that_is_short_enough_stands_for_itself(name: str) -> None:
    if len(name.encode()) < SHORT_BYTES and "\0" not in name:
        assert short(name) == name


@given(st.sampled_from(["v", "ä", "日", "🚢", "\0", "~"]), st.integers(SHORT_BYTES // 4, 2000), ANY)
def test_a_long_name_has_a_form_of_always_the_same_length_that_ends_in_its_hash(fill: str, times: int, more: str) -> None:
    name = fill * times + more + "v" * SHORT_BYTES
    assert len(short(name).encode()) == SHORT_BYTES
    assert re.search("~[0-9a-f]{64}$", short(name))
    assert short(name).isascii()
    assert short(name).isprintable()


def test_names_that_begin_alike_stay_apart() -> None:
    assert short("v" * 1000 + "1") != short("v" * 1000 + "2")


def test_no_name_stands_for_itself_by_the_form_of_another() -> None:
    long = "v" * 1000
    assert short(short(long)) != short(long)


def test_an_azure_disk_is_read_in_its_id() -> None:
    disk = "/subscriptions/" + "0" * 36 + "/resourceGroups/" + "g" * 20 + "/providers/Microsoft.Compute/disks/pvc-" + "1" * 36
    assert len(disk) == 162
    assert volume_id(VolumeRef(volume_handle=disk)).endswith(disk)


def test_every_id_fits_into_255_bytes() -> None:
    volume = VolumeRef(driver=DRIVER, volume_handle="v" * 5000)
    longest = [make(volume) for make in IDS] + [evacuate_id(DRIVER, "n" * 256)]
    assert max(len(each.encode()) for each in longest) <= 255


def test_a_memo_says_the_handle_where_the_id_does_not() -> None:
    assert handle_memo(VolumeRef(volume_handle="vol-7")) == {}
    assert handle_memo(VolumeRef(volume_handle="v" * 200)) == {"volume_handle": "v" * 200}


def test_a_summary_is_cut_in_bytes_between_characters() -> None:
    assert summary("日" * 100) == "日" * 66

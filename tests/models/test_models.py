"""The values that models admit, and what their errors show."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from mooring.models import (
    MAP_BYTES,
    AccessMode,
    Attachment,
    Precondition,
    PublishRequest,
    UnpublishRequest,
    VolumeRecord,
    VolumeRef,
)


def test_the_volume_handle_of_a_publish_is_limited_in_bytes_not_characters() -> None:
    assert PublishRequest(volume_handle="ä" * 512, node_id="node-a")
    with pytest.raises(ValidationError, match="1024 bytes"):
        PublishRequest(volume_handle="ä" * 512 + "x", node_id="node-a")


def test_a_detach_is_never_too_long() -> None:
    assert UnpublishRequest(volume_handle="v" * 100_000, node_id="n" * 100_000)


def test_a_volume_context_is_limited_as_it_travels() -> None:
    fits = {"k": "v" * (MAP_BYTES - len('{"k":""}'))}
    assert PublishRequest(volume_handle="vol-7", node_id="node-a", volume_context=fits)
    with pytest.raises(ValidationError, match=f"{MAP_BYTES} bytes"):
        PublishRequest(volume_handle="vol-7", node_id="node-a", volume_context={"k": '"' * (MAP_BYTES // 2)})


def test_a_node_id_is_limited_in_bytes_not_characters() -> None:
    assert PublishRequest(volume_handle="vol-7", node_id="ä" * 128)
    with pytest.raises(ValidationError, match="256 bytes"):
        PublishRequest(volume_handle="vol-7", node_id="ä" * 129)


@pytest.mark.parametrize("lacking", [{"volume_handle": ""}, {"node_id": ""}])
def test_a_publish_needs_a_volume_and_a_node(lacking: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="at least 1 character"):
        PublishRequest.model_validate({"volume_handle": "vol-7", "node_id": "node-a"} | lacking)


def test_an_unpublish_without_a_node_is_about_all_of_them() -> None:
    assert UnpublishRequest(volume_handle="vol-7").node_id == ""


@pytest.mark.parametrize("driver", ["", "-a.io", "a.io-", "a_b.io", "a/b.io", "a" * 64, "a.io\n"])
def test_a_driver_name_is_that_of_the_csi_specification(driver: str) -> None:
    with pytest.raises(ValidationError):
        VolumeRef(driver=driver, volume_handle="vol-7")


@pytest.mark.parametrize("driver", ["a" * 63, "a.io1", "1"])
def test_a_driver_name_may_have_63_characters_and_end_in_a_digit(driver: str) -> None:
    assert VolumeRef(driver=driver, volume_handle="vol-7")


def test_an_unknown_field_is_refused_and_its_value_not_shown() -> None:
    with pytest.raises(ValidationError) as refused:
        PublishRequest.model_validate({"volume_handle": "vol-7", "node_id": "node-a", "secrets": {"password": "hunter2"}})
    assert "secrets" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_value_that_is_refused_is_not_shown() -> None:
    with pytest.raises(ValidationError) as refused:
        PublishRequest.model_validate({"volume_handle": "hunter2" * 999, "node_id": ["hunter2"], "access_mode": "hunter2"})
    assert "hunter2" not in str(refused.value)


def test_a_model_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        VolumeRef(volume_handle="vol-7").volume_handle = "vol-8"  # type: ignore[misc]


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValidationError):
        Attachment(node_id="node-a", attached_at=datetime(2026, 1, 31))


@pytest.mark.parametrize("mode", AccessMode)
def test_multi_node_modes_are_those_that_csi_names_so(mode: AccessMode) -> None:
    assert mode.multi_node is mode.name.startswith("MULTI_NODE")


def test_a_record_without_an_epoch_counts_from_zero() -> None:
    assert VolumeRecord(mark=Precondition(pv="pv-7", uid="uid-7")).epoch == 0


def test_a_record_knows_its_holders_by_node() -> None:
    held = Attachment(node_id="node-a", attached_at=datetime(2026, 1, 31, tzinfo=UTC))
    record = VolumeRecord(mark=Precondition(pv="pv-7", uid="uid-7"), holders=(held,))
    assert (record.holder("node-a"), record.holder("node-b")) == (held, None)

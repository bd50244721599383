"""Fields of a call that may only be kept in memory, and for how long."""

from __future__ import annotations

import pytest

from mooring.csi.inflight import KEEP_SECONDS, InFlightRequests, is_needed
from mooring.csi.wire import csi_pb2
from mooring.errors import BackendNotFound, OperationPending
from tests.harness.csi_client import mount


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _request(**fields: object) -> csi_pb2.ControllerPublishVolumeRequest:
    told: dict[str, object] = {"volume_id": "vol-1", "node_id": "node-a", "volume_capability": mount(), **fields}
    return csi_pb2.ControllerPublishVolumeRequest(**told)  # type: ignore[arg-type]


def test_a_request_is_there_while_its_call_lasts_and_gone_with_the_answer() -> None:
    handed_over, request = InFlightRequests(Clock()), _request(secrets={"key": "value"})
    with handed_over.publish(request):
        assert handed_over.publish_request(_request()) == request
        assert handed_over.secrets("vol-1") == {"key": "value"}

    assert (handed_over.publish_request(_request()), handed_over.secrets("vol-1")) == (None, None)


def test_a_final_error_is_an_answer_too() -> None:
    handed_over = InFlightRequests(Clock())
    with pytest.raises(BackendNotFound), handed_over.publish(_request()):
        raise BackendNotFound("no such volume")

    assert handed_over.secrets("vol-1") is None


def test_what_goes_on_keeps_it_for_its_time() -> None:
    clock = Clock()
    handed_over = InFlightRequests(clock)
    with pytest.raises(OperationPending), handed_over.publish(_request()):
        raise OperationPending("no answer yet")
    clock.now = KEEP_SECONDS
    with handed_over.publish(_request(volume_id="vol-2")):
        pass
    assert handed_over.secrets("vol-1") == {}
    clock.now += 1
    with handed_over.publish(_request(volume_id="vol-2")):
        pass

    assert handed_over.secrets("vol-1") is None


def test_another_call_about_the_volume_keeps_it() -> None:
    handed_over = InFlightRequests(Clock())
    with handed_over.publish(_request(node_id="node-b")):
        with handed_over.publish(_request()):
            pass
        assert handed_over.publish_request(_request(node_id="node-b")) is not None


def test_the_last_call_says_what_the_secrets_are() -> None:
    handed_over = InFlightRequests(Clock())
    unpublish = csi_pb2.ControllerUnpublishVolumeRequest(volume_id="vol-1", secrets={"key": "new"})
    with handed_over.publish(_request(secrets={"key": "old"})), handed_over.unpublish(unpublish):
        assert handed_over.secrets("vol-1") == {"key": "new"}


def test_a_call_without_secrets_takes_them_from_no_other() -> None:
    handed_over = InFlightRequests(Clock())
    unpublish = csi_pb2.ControllerUnpublishVolumeRequest(volume_id="vol-1")
    with handed_over.publish(_request(secrets={"key": "value"})), handed_over.unpublish(unpublish):
        assert handed_over.secrets("vol-1") == {"key": "value"}


def test_an_operation_gets_the_request_that_asks_for_the_same() -> None:
    handed_over = InFlightRequests(Clock())
    written, readonly = _request(secrets={"key": "value"}), _request(readonly=True, secrets={"key": "value"})
    with handed_over.publish(written), handed_over.publish(readonly):
        assert handed_over.publish_request(_request()) == written
        assert handed_over.publish_request(_request(readonly=True)) == readonly


@pytest.mark.parametrize(
    ("fields", "needed"),
    [({}, False), ({"secrets": {"key": "value"}}, True), ({"volume_capability": mount(flags=("ro",))}, True)],
)
def test_a_request_is_handed_over_if_a_payload_may_not_hold_all_of_it(fields: dict[str, object], needed: bool) -> None:
    assert is_needed(_request(**fields)) is needed


def test_a_field_of_a_newer_specification_is_handed_over() -> None:
    newer = csi_pb2.ControllerPublishVolumeRequest.FromString(_request().SerializeToString() + b"\xd2\x09\x03new")

    assert is_needed(newer)

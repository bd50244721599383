"""The reasons of failed calls to Temporal, as the SDK gives them, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.temporal.reasons import in_words

# How the SDK reports each, whichever side notices first.
DROPPED = [
    'Custom { kind: BrokenPipe, error: "stream closed because of a broken pipe" }',
    "Kind(ConnectionReset)",
    "Kind(ConnectionAborted)",
]
OTHER = "the server there speaks another protocol"
CLOSED = "the server there closed the connection"


def failed(code: str, message: str, source: str) -> RuntimeError:
    """Return the error of a connection that failed at its first call."""
    status = f'Status {{ code: {code}, message: "{message}", source: Some(tonic::transport::Error(Transport, {source})) }}'
    return RuntimeError(f"Failed client connect: `get_system_info` call error after connection: {status}")


def test_a_file_that_is_missing_is_named_with_the_cause(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "client.pem").read_bytes()
    assert in_words(missing.value) == f"{tmp_path / 'client.pem'}: no such file or directory"


@pytest.mark.parametrize("why", DROPPED)
def test_a_connection_that_drops_is_told(why: str) -> None:
    assert in_words(failed("Unknown", "transport error", f"hyper::Error(Io, {why})")).startswith(CLOSED)


def test_a_connection_that_drops_before_the_call_is_sent_is_told() -> None:
    assert in_words(failed("Cancelled", "operation was canceled", 'hyper::Error(Canceled, "connection closed")')).startswith(CLOSED)


@pytest.mark.parametrize(("side", "reason"), [("Library", OTHER), ("Remote", CLOSED)])
def test_a_server_that_says_goodbye_is_none_of_another_protocol(side: str, reason: str) -> None:
    source = f'hyper::Error(Http2, Error {{ kind: GoAway(b"", FRAME_SIZE_ERROR, {side}) }})'
    assert in_words(failed("Internal", "h2 protocol error: http2 error", source)).startswith(reason)

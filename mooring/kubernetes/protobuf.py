"""The API server's answers in protobuf: a server makes them, and a client reads them, in about half the time that JSON takes.

Contract: an answer says itself whether it is protobuf, so a server that knows only JSON may answer in that. A long list is read
object by object: read whole, it would hold up the event loop, and be in memory several times.

Not kept here: the messages (kube.proto).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from mooring.errors import KubernetesUnavailable

ACCEPT: Final = "application/vnd.kubernetes.protobuf, application/json"
MAGIC: Final = b"k8s\x00"
RAW: Final = 2
"""Field of the answer itself, in the runtime.Unknown that follows the magic number."""
METADATA: Final = 1
ITEMS: Final = 2
"""Field of the items, in a list of any kind."""

M = TypeVar("M", bound=Message)


def is_protobuf(body: bytes) -> bool:
    """Return whether the body of an answer is protobuf."""
    return body.startswith(MAGIC)


def content(body: bytes) -> memoryview:
    """Return the answer in a body that is protobuf; raise as `parsed` does."""
    for number, sent in _fields(memoryview(body)[len(MAGIC) :]):
        if number == RAW:
            return sent
    raise _damaged("it is empty")


def listed(body: bytes) -> tuple[memoryview, Iterator[memoryview]]:
    """Return the metadata of a list, and its items; raise as `parsed` does."""
    fields = _fields(content(body))
    number, metadata = next(fields, (0, memoryview(b"")))
    if number != METADATA:  # it is always there, and the first
        raise _damaged("a list has no metadata")
    return metadata, (sent for number, sent in fields if number == ITEMS)


def _fields(sent: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the number and content of each field of a message that has only messages, strings and bytes."""
    at = 0
    while at < len(sent):
        tag, at = _varint(sent, at)
        length, at = _varint(sent, at)
        end = at + length
        if tag & 7 != 2 or end > len(sent):
            raise _damaged(f"a field of {length} bytes begins at {at} of {len(sent)}")
        yield tag >> 3, sent[at:end]
        at = end


def parsed(kind: type[M], sent: memoryview) -> M:
    """Parse the message in these bytes.

    Raises:
        KubernetesUnavailable: it is damaged.

    """
    try:
        return kind.FromString(bytes(sent))
    except DecodeError as error:
        raise _damaged(str(error)) from None


def _varint(sent: memoryview, at: int) -> tuple[int, int]:
    """Read the number that begins at `at`, and return it and its end: seven bits a byte, the lowest first."""
    value = shift = 0
    for end, byte in enumerate(sent[at : at + 10], at + 1):
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, end
        shift += 7
    raise _damaged(f"a number has no end at {at} of {len(sent)}")


def _damaged(how: str) -> KubernetesUnavailable:
    return KubernetesUnavailable(f"The API server sent damaged protobuf: {how}.")

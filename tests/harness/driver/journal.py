"""The events of the storage, one JSON object a line, each on disk before the driver goes on.

Contract: a line is written before its effect is answered for, and no line is ever changed. Attachments are what the lines
`attach` and `detach` add up to. No line has a secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

Rpc: TypeAlias = Literal["publish", "unpublish"]
Event: TypeAlias = Literal["call", "order", "held", "late", "fence", "straggler", "attach", "detach", "violation", "answer"]


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of ControllerPublishVolume or ControllerUnpublishVolume; `number` counts them over restarts."""

    number: int
    rpc: Rpc
    volume: str
    node: str
    token: int | None = None
    mode: str = ""
    readonly: bool = False

    @property
    def multi_node(self) -> bool:
        """True if its access mode lets several nodes have the volume at once."""
        return self.mode.startswith("MULTI_NODE")


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: what happened, and in which call. Of `detach`, the call's node is the one that was detached.

    `late`: the caller had given up by then. `order`: the id of the order that was obeyed. `nodes`: who had the volume at once.
    `code`: the gRPC status of the answer.
    """

    at: datetime
    event: Event
    call: Call
    order: str = ""
    nodes: tuple[str, ...] = ()
    code: str = ""


Attachments: TypeAlias = dict[str, dict[str, Call]]
"""Volume -> node -> the call that attached it. A volume stays when its last node is gone."""

DECODER: Final = msgspec.json.Decoder(Entry)


def read_entries(path: Path) -> list[Entry]:
    """Return the journal's lines so far, or none if there is no journal yet."""
    return [DECODER.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def apply_entry(attachments: Attachments, entry: Entry) -> None:
    """Take one more line into account."""
    nodes = attachments.setdefault(entry.call.volume, {}) if entry.event in ("attach", "detach") else {}
    if entry.event == "attach":
        nodes[entry.call.node] = entry.call
    else:
        nodes.pop(entry.call.node, None)


def attachments_of(entries: Iterable[Entry]) -> Attachments:
    """Return the attachments that the lines add up to."""
    attachments: Attachments = {}
    for entry in entries:
        apply_entry(attachments, entry)
    return attachments


class Writer(Protocol):
    """A journal, as it is written."""

    def write(self, event: Event, call: Call, *, order: str = "", nodes: Iterable[str] = (), code: str = "") -> Entry:
        """Add a line, and return when it is kept."""


class Journal:
    """The journal of one running driver, which alone writes it."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, event: Event, call: Call, *, order: str = "", nodes: Iterable[str] = (), code: str = "") -> Entry:
        """Add a line, and return when it is on disk."""
        entry = Entry(self._clock(), event, call, order, tuple(nodes), code)
        os.write(self._file, msgspec.json.encode(entry) + b"\n")
        os.fsync(self._file)
        return entry

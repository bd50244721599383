"""The trace of a world: what happened at the PVs, at the driver, at Temporal and among those who ask, in one order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mooring.kubernetes.pv_objects import PVS
from tests.harness.driver.journal import Entry
from tests.simulation.clock import START
from tests.simulation.history import PvChange

LAST: Final = 60
"""Lines of a story about a volume."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened; `volume` is "" for what concerns all."""

    seconds: float
    volume: str
    words: str

    def __str__(self) -> str:
        return f"{self.seconds:12.4f}  {self.volume:8} {self.words}"


@dataclass(slots=True)
class Trace:
    """All lines of a world so far."""

    now: Callable[[], datetime]
    lines: list[Line] = field(default_factory=list)

    def tell(self, volume: str, words: str) -> None:
        """Add a line."""
        self.lines.append(Line((self.now() - START).total_seconds(), volume, words))

    def about(self, volume: str) -> list[str]:
        """Return the last lines about a volume, and about all."""
        return [str(line) for line in self.lines if line.volume in ("", volume)][-LAST:]


def words_of(event: PvChange | Entry, driver: str) -> tuple[str, str]:
    """Return the volume of an event, and the event in words."""
    if isinstance(event, Entry):
        call, code = event.call, f" {event.code}" if event.code else ""
        return call.volume, f"driver: {event.event} of {call.rpc} {call.number} {call.node or 'all'} token {call.token}{code}"
    metadata = event.pv["metadata"]
    record = {key.removeprefix(f"{driver}/"): text for key, text in sorted((metadata.get("annotations") or {}).items())}
    said = " ".join(
        f"{key}={record[key]}" for key in ("attached-node", "attachment-epoch", "attachment-operation") if key in record
    )
    return event.pv["spec"]["csi"]["volumeHandle"], f"{event.kind.lower()} {PVS}/{metadata['name']} {metadata['uid'][:8]} {said}"

"""The events of one run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tests.simulation.clock import now

if TYPE_CHECKING:
    from temporalio.api.sdk.v1 import UserMetadata

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIX: Final = "EVENT_TYPE_"
KINDS: Final = {name.removeprefix(_PREFIX): number for name, number in EventType.items()}
NAMES: Final = {number: name for name, number in KINDS.items()}
FIELDS: Final = {name: f"{name.lower()}_event_attributes" for name in KINDS}


def kind_of(event: HistoryEvent) -> str:
    """Return the event's type, without its prefix."""
    return NAMES[event.event_type]


def attributes_of(event: HistoryEvent) -> Any:
    """Return the event's attributes."""
    return getattr(event, FIELDS[NAMES[event.event_type]])


def make_event(event_id: int, kind: str, metadata: UserMetadata | None = None, **fields: Any) -> HistoryEvent:
    """Make an event of this moment; `fields` are its attributes."""
    attributes = {name: value for name, value in fields.items() if value is not None}
    body: Any = {FIELDS[kind]: attributes}
    return HistoryEvent(event_id=event_id, event_time=stamp(now()), event_type=KINDS[kind], user_metadata=metadata, **body)


def stamp(time: datetime) -> Timestamp:
    """Return the time as messages have it."""
    past = time - _EPOCH
    return Timestamp(seconds=past.days * 86_400 + past.seconds, nanos=past.microseconds * 1_000)


def seconds(duration: Duration) -> float:
    """Return the duration in seconds; 0 where it isn't set."""
    return duration.seconds + duration.nanos / 1e9


def duration(length: float) -> Duration:
    """Return so many seconds as messages have them."""
    exact = timedelta(seconds=length)
    return Duration(seconds=exact.days * 86_400 + exact.seconds, nanos=exact.microseconds * 1_000)

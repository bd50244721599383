"""Times as text, as annotations and Events have them."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(moment: datetime) -> str:
    """Format a time by RFC 3339, in UTC with microseconds and a Z."""
    # NB: strftime leaves out the zeros of a year like 0001, which is how Go writes a time that was never set.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime | None:
    """Parse ISO 8601 or RFC 3339 text, as UTC if it names no offset; return None if it can't be read."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None

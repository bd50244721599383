"""The Events already recorded, so that repetitions become a series of one Event instead of many.

Contract: a series ends when nothing was added to it for `SERIES_LASTS`, when too many others are newer, or, for a repetition with
another note (another cause, for example), `NOTE_LASTS` after its beginning: an Event's note can't be changed, and an outdated one
misleads operators. A series that has ended is forgotten, with any part of its count not yet written: the next of its kind is a new
Event.

Invariant: at most `size` series are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from mooring.models.times import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from mooring.events.drafts import EventDraft, Key

SERIES_LASTS: Final = timedelta(minutes=6)
"""As in client-go's tools/events."""
NOTE_LASTS: Final = timedelta(minutes=1)
"""Time for which a note stands for other notes too, so that notes that always differ make no flood."""


@dataclass(slots=True)
class Series:
    """One Event: its path, its number of occurrences, and how many of those the API server knows of."""

    draft: EventDraft
    first: datetime
    last: datetime
    path: str = ""
    count: int = 1
    told: int = 0
    """0 while it is being written."""

    def event(self, name: str, instance: str) -> dict[str, Any]:
        """Return the whole Event, with this name and by this worker."""
        series = {"series": self._body} if self.count > 1 else {}
        return {**self.draft.body(name, instance, self.first), **series}

    @property
    def patch(self) -> list[dict[str, Any]]:
        """The JSON patch that writes the number of occurrences; nothing else of an Event can be changed."""
        return [{"op": "add", "path": "/series", "value": self._body}]

    @property
    def _body(self) -> dict[str, Any]:
        return {"count": self.count, "lastObservedTime": format_time(self.last)}


class SeriesCache:
    """The series of one worker, the one that was added to last at the end."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._series: OrderedDict[Key, Series] = OrderedDict()

    def again(self, draft: EventDraft, at: datetime) -> bool:
        """Add the draft to the series that it belongs to, and return whether there is one."""
        series = self._series.get(draft.key)
        if (
            series is None
            or at - series.last > SERIES_LASTS
            or (draft.note != series.draft.note and at - series.first > NOTE_LASTS)
        ):
            return False
        series.count += 1
        series.last = max(at, series.last)
        self._series.move_to_end(draft.key)
        return True

    def begin(self, series: Series) -> None:
        """Add a new series, and forget the oldest beyond `size`."""
        self._series[series.draft.key] = series
        self._series.move_to_end(series.draft.key)
        while len(self._series) > self._size:
            self._series.popitem(last=False)

    def forget(self, series: Series) -> None:
        """Forget a series, because its Event was not written or has ended."""
        if self._series.get(series.draft.key) is series:
            del self._series[series.draft.key]

    def unwritten(self, now: datetime) -> list[Series]:
        """Return the series whose count has grown since it was last written, and forget those that have ended."""
        for series in [each for each in self._series.values() if now - each.last > SERIES_LASTS]:
            self.forget(series)
        return [each for each in self._series.values() if 0 < each.told < each.count]

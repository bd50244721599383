"""The recorder of Kubernetes Events: best effort, beside the operations and never in their way.

Contract: `record` returns at once, in any thread, and never raises; an event that finds no room is dropped and counted. One task
writes what was taken, one event per `pace`, so that operations have the worker and the API server to themselves. Where many wait,
what went well is written on one object. Events that can't be written are counted too, and logged once per kind of error. A
repetition costs at most one request per `pause` and object, however often.

Not kept here: the order of what waits (waiting.py), the content of an Event (drafts.py), the series of Events (series.py).
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from mooring.errors import KubernetesRejected, KubernetesUnavailable, MooringError
from mooring.events.drafts import event_drafts
from mooring.events.pvcs import PvcCache
from mooring.events.reasons import EventNote
from mooring.events.series import Series, SeriesCache
from mooring.events.waiting import WaitingEvent, WaitingEvents
from mooring.kubernetes.api import Gone, KubernetesApi, NotFound, Refused, Request
from mooring.kubernetes.pv_objects import PvcRef

QUEUE: Final = 4000
"""Events that may wait to be written."""
PACE: Final = 0.05
"""Seconds between two events that are written."""
SERIES: Final = 4096
PAUSE: Final = 10.0
"""Seconds between two looks for what has happened again."""
LAST_WORDS: Final = 1.0
"""Seconds that a worker which stops gives to what it has not told yet."""

ERRORS: Final = (MooringError, NotFound, Gone, Refused)

logger = logging.getLogger(__name__)


class Events(Protocol):
    """A recorder of events for operators."""

    def record(self, event: EventNote) -> None:
        """Record the event soon; callable from any thread."""

    async def write(self, event: EventNote) -> None:
        """Record the event now.

        Raises:
            MooringError: no Event of it could be written.

        """


class NoEvents:
    """The recorder without Kubernetes, or without Events."""

    def record(self, event: EventNote) -> None:
        """Do nothing."""

    async def write(self, event: EventNote) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The outcome of an event: Events drafted, those that were no repetition and so asked of the API server, and its errors."""

    drafted: int
    asked: int
    errors: list[MooringError]


class Recorder:
    """The recorder of one worker's Events, named `instance`; `dropped` is called for each that could not be recorded.

    `node_name` returns the name of the Node that goes by a node id, "" if unknown.
    """

    def __init__(
        self,
        api: KubernetesApi,
        pvcs: PvcCache,
        node_name: Callable[[str], str],
        instance: str,
        now: Callable[[], datetime],
        dropped: Callable[[], None],
        *,
        warnings_only: bool,
        size: int = QUEUE,
        pause: float = PAUSE,
        pace: float = PACE,
    ) -> None:
        self._api = api
        self._claims = pvcs
        self._node_name = node_name
        self._instance = instance
        self._now = now
        self._dropped = dropped
        self._warnings_only = warnings_only
        self._pause = pause
        self._pace = pace
        self._waiting = WaitingEvents(size)
        self._ends = asyncio.Event()
        self._told = SeriesCache(SERIES)
        self._logged: set[str] = set()
        self._loop = asyncio.get_running_loop()

    def record(self, event: EventNote) -> None:
        """See `Events`."""
        if event.reason.warns or not self._warnings_only:
            with suppress(RuntimeError):  # the loop is closed: the process is about to end
                self._loop.call_soon_threadsafe(self._enqueue, event, self._now())

    async def write(self, event: EventNote) -> None:
        """See `Events`."""
        outcome = await self._record(event, self._now())
        if outcome.errors and len(outcome.errors) == outcome.drafted:
            raise outcome.errors[0]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write the events taken while the block lasts, and for `LAST_WORDS` after it."""
        tasks = [asyncio.create_task(self._serve()), asyncio.create_task(self._serve_series())]
        try:
            yield
        finally:
            self._ends.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await asyncio.sleep(0)  # NB: what was taken just now is not in the queue yet
                    await self._waiting.join()
                    await self._write_series()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            if len(self._waiting):
                logger.warning("%d events were not written as Events before the worker stopped.", len(self._waiting))

    def _enqueue(self, event: EventNote, at: datetime) -> None:
        if not self._waiting.put(event, at):
            self._dropped()

    async def _serve(self) -> None:
        while True:
            idle = not len(self._waiting)
            taken = await self._waiting.get()
            try:
                if idle:
                    await self._rest()  # NB: the operation that tells it is about to answer, by this very event loop
                await self._take(taken)
            except Exception:
                self._dropped()
                logger.exception("An Event could not be written: %s", taken.event.note)
            finally:
                self._waiting.task_done()

    async def _take(self, taken: WaitingEvent) -> None:
        outcome = await self._record(taken.event, taken.at, crowded=self._waiting.is_crowded)
        if outcome.errors:
            self._dropped()
        await (self._rest() if outcome.asked else asyncio.sleep(0))

    async def _rest(self) -> None:
        """Leave the time to the operations, until the worker stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ends.wait(), self._pace)

    async def _serve_series(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            try:
                await self._write_series()
            except Exception:
                logger.exception("The counts of Events could not be written; trying again.")

    async def _record(self, event: EventNote, at: datetime, *, crowded: bool = False) -> _Outcome:
        """Write the Events of the event that are no repetition; where it is `crowded`, one of those of what went well."""
        drafted = event_drafts(event, await self._pvc(event), event.node_name or self._node_name(event.node_id))
        if not drafted:
            logger.info("%s: %s", event.reason, event.note)
        wanted = drafted[:1] if crowded and not event.reason.warns else drafted
        new = [draft for draft in wanted if not self._told.again(draft, at)]
        errors = await asyncio.gather(*(self._create(Series(draft, first=at, last=at)) for draft in new))
        return _Outcome(len(wanted), len(new), [error for error in errors if error is not None])

    async def _pvc(self, event: EventNote) -> PvcRef | None:
        try:
            return await self._claims.of(event.pv) if event.pv else None
        except MooringError as error:
            self._log(error)
            return None

    async def _create(self, series: Series) -> MooringError | None:
        """Write an Event that does not exist yet.

        NB: it begins its series before it is written, so that a repetition meanwhile is no second Event.
        """
        self._told.begin(series)
        about, count, series.told = series.draft.key.regarding, series.count, 0
        name = series.draft.name(uuid.uuid4().hex[:16])
        series.path = f"{about.events}/{name}"
        what = f"raise Event {series.draft.key.reason} on {about.kind} {about.name}"
        try:
            await self._api.request(Request(what, "POST", about.events, body=series.event(name, self._instance)))
            series.told = count
        except ERRORS as error:
            return self._log(error)
        finally:
            if not series.told:
                self._told.forget(series)
        return None

    async def _write_series(self) -> None:
        for series in self._told.unwritten(self._now()):
            if await self._update(series):
                self._dropped()

    async def _update(self, series: Series) -> MooringError | None:
        about, count = series.draft.key.regarding, series.count
        what = f"count Event {series.draft.key.reason} on {about.kind} {about.name}"
        try:
            await self._api.request(Request(what, "PATCH", series.path, body=series.patch))
        except NotFound:
            return await self._create(series)  # it has expired
        except ERRORS as error:
            return self._log(error)
        series.told = count
        return None

    def _log(self, error: Exception) -> MooringError:
        """Log the error, once per kind, and return it as one that may be raised."""
        kind = type(error).__name__
        if kind not in self._logged:
            self._logged.add(kind)
            told = str(error).removesuffix(f" {KubernetesUnavailable.advice}")  # it speaks of another try
            logger.warning("An Event is lost; further errors of this kind are only counted: %s", told)
        return error if isinstance(error, MooringError) else KubernetesRejected(str(error))

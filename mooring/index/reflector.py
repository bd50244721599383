"""The reflector that keeps the index current: rebuilt from a list of all PVs, it then follows the watch from the list's end.

Contract: a rebuild that fails changes nothing, and the watch before it goes on. One that succeeds replaces the index in one step
and starts a new watch at the list's resource version, so no change falls between them. `lost` is set when the watch can't go on and
only a rebuild helps; the index stays in use meanwhile: it may be old, and nothing is granted from it alone.

Not kept here: the index (manager.py), and the times of rebuilds (the worker).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from mooring.index.entries import Replacement
from mooring.index.manager import AttachmentManager, Counts
from mooring.models import Skip
from mooring.process.metrics import Metrics
from mooring.process.words import counted
from mooring.records.store import HistoryGone, RecordStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Result of a rebuild: the index's counts after it, the PVs skipped by reason (`Skip`), the times replaced, its seconds."""

    counts: Counts
    skipped: dict[str, int]
    replaced_times: int
    seconds: float


@dataclass(slots=True)
class _Read:
    draft: Replacement
    resource_version: str = ""
    skipped: Counter[str] = field(default_factory=Counter)
    replaced_times: int = 0


class Reflector:
    """The reflector that keeps one index current with one `RecordStore`. `clock` is monotonic, in seconds."""

    def __init__(
        self, volumes: RecordStore, manager: AttachmentManager, metrics: Metrics, clock: Callable[[], float], page_size: int = 500
    ) -> None:
        self.needs_rebuild = asyncio.Event()
        """Set when only a rebuild makes the index current again; a rebuild clears it."""
        self._volumes = volumes
        self._manager = manager
        self._metrics = metrics
        self._clock = clock
        self._page_size = page_size
        self._heard = clock()
        self._watch: asyncio.Task[None] | None = None
        metrics.observe(lambda: manager.attachments, lambda: self.lag)

    @property
    def lag(self) -> float:
        """Return the seconds since a list, a change, a bookmark or a connection showed the index to be current."""
        return self._clock() - self._heard

    async def rebuild(self, beat: Callable[[str], None]) -> Rebuilt:
        """Read all PVs, replace the index in one step and follow the watch from there. `beat` is called for each page.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the list could not be read to its end.

        """
        began = self._clock()
        read = await self._read(beat)
        self._manager.replace_all(read.draft)
        self._heard = began
        self._follow_from(read.resource_version)
        counts = self._manager.counts
        read.skipped.update({Skip.DUPLICATE: counts.duplicates} if counts.duplicates else {})
        rebuilt = Rebuilt(counts, dict(read.skipped), read.replaced_times, self._clock() - began)
        self._metrics.rebuilt(rebuilt.seconds, rebuilt.skipped)
        self._metrics.replaced(rebuilt.replaced_times)
        return rebuilt

    async def stop(self) -> None:
        """Stop following; the index remains as it is."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])

    async def _read(self, beat: Callable[[str], None]) -> _Read:
        read = _Read(self._manager.draft())
        async with aclosing(self._volumes.pages(self._page_size)) as pages:
            async for page in pages:
                if page.first:
                    read = _Read(self._manager.draft(), page.resource_version)
                read.draft.add(page.records)
                read.skipped.update(page.skipped)
                read.replaced_times += page.replaced_times
                beat(f"{counted(len(read.draft.index), 'volume')} read")
                await asyncio.sleep(0)
        return read

    def _follow_from(self, resource_version: str) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self.needs_rebuild.clear()
        self._watch = asyncio.create_task(self._follow(resource_version), name="watch of PersistentVolumes")

    async def _follow(self, resource_version: str) -> None:
        try:
            async with aclosing(self._volumes.watch(resource_version)) as changes:
                async for change in changes:
                    self._manager.apply_event(change)
                    self._metrics.replaced(change.replaced_times)
                    self._heard = self._clock()
        except HistoryGone as gone:
            logger.warning("The index has to be rebuilt: %s", gone)
            self.needs_rebuild.set()
        except Exception:
            logger.exception("The watch of PersistentVolumes failed; the index has to be rebuilt.")
            self.needs_rebuild.set()

"""The reader of compact records: PVs as they are listed and watched -> records of one driver's volumes, and why others are none.

Not kept here: asking the API server (persistent_volumes.py), and the form of a record (mooring/records/compact.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Final

from mooring.kubernetes.list_watch import ListPage
from mooring.kubernetes.pv_objects import Pv, handle, untranslatable
from mooring.models import Skip
from mooring.records.compact import CompactRecord, read_compact
from mooring.records.keys import Keys
from mooring.records.store import Page

CHUNK: Final = 100
"""PVs that are looked at in one go, which takes about a millisecond."""


class RecordReader:
    """A reader of compact records of one driver's PVs. `now` gives the time that replaces unreadable ones."""

    def __init__(self, driver: str, now: Callable[[], datetime]) -> None:
        self._driver = driver
        self._keys = Keys.of(driver)
        self._now = now

    def look(self, pv: Pv) -> tuple[CompactRecord, int] | Skip:
        """Return the record of the PV and how many of its times were replaced, or why it is none of this driver's volumes."""
        found = handle(self._driver, pv)
        if isinstance(found, Skip):
            return found
        meta = pv.metadata
        seen, replaced = read_compact(self._driver, self._keys, found, meta.name, meta.uid, meta.annotations, self._now())
        if (csi := pv.spec.csi) is None:
            return seen.noting(in_tree=True), replaced
        return seen.noting(secret=True) if csi.controller_publish_secret_ref is not None else seen, replaced

    def pages(self, listed: ListPage[Pv], *, first: bool) -> Iterator[Page]:
        """Yield the cached records of a page of a list, `CHUNK` PVs at a time, so that others may run in between."""
        items = iter(listed.items)
        while (part := list(islice(items, CHUNK))) or first:
            yield self._page(listed.metadata.resource_version, part, first=first)
            first = False

    def _page(self, resource_version: str, pvs: list[Pv], *, first: bool) -> Page:
        page = Page(resource_version, first)
        replaced_times = 0
        for pv in pvs:
            look = self.look(pv)
            if isinstance(look, Skip):
                page.skipped[look] += 1
                page.untranslatable.extend(
                    filter(None, [untranslatable(self._driver, pv) if look is Skip.UNTRANSLATABLE else None])
                )
                continue
            page.records.append(look[0])
            replaced_times += look[1]
            if look[0].problem:
                page.skipped[Skip.MALFORMED] += 1
        return replace(page, replaced_times=replaced_times)

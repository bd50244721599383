"""The search for the PVs of volumes by a list of all PVs: one list for all concurrent callers.

Contract: an answer is from a list that began after its question was asked, so it is as live as a list of the caller's own. However
many ask, one list is under way and at most one more is due.

Not kept here: the cached record of a PV (persistent_volumes.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mooring.kubernetes.pv_objects import handle
from mooring.models import Skip
from mooring.process.single_flight import retrieve_failure

if TYPE_CHECKING:
    from mooring.kubernetes.list_watch import ListPage
    from mooring.kubernetes.pv_objects import Pv

Pages = Callable[[str], AsyncGenerator[tuple["ListPage[Pv]", bool]]]
"""Lists all PVs, for a reason in words; see `ListWatch.pages`."""

MAX_NAMED: Final = 3
"""Volumes that an error names."""


@dataclass(slots=True)
class Round:
    """One list: the PVs of each volume that was asked for before it began."""

    found: dict[str, list[Pv]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class PvSearch:
    """The lists of one driver's PVs."""

    def __init__(self, driver: str, pages: Pages) -> None:
        self._driver = driver
        self._pages = pages
        self._due: Round | None = None
        self._turn = asyncio.Lock()

    async def find(self, volume_handle: str) -> list[Pv]:
        """Return the volume's PVs as of now; raise as `ListWatch.pages` does."""
        asked = self._due = self._due or Round()
        asked.found.setdefault(volume_handle, [])
        if asked.task is None:
            asked.task = asyncio.create_task(self._list(asked), name="list of PersistentVolumes")
            asked.task.add_done_callback(retrieve_failure)
        await asyncio.shield(asked.task)  # NB: others wait for the same list, so who gives up must not end it
        return asked.found[volume_handle]

    async def _list(self, asked: Round) -> None:
        async with self._turn:
            self._due = None  # a question from now on might be about what this list doesn't show
            async with aclosing(self._pages(f"find {_named([*asked.found])} among all PersistentVolumes")) as pages:
                async for listed, first in pages:
                    if first:
                        asked.found = {volume: [] for volume in asked.found}
                    for pv in listed.items:
                        volume = handle(self._driver, pv)
                        if not isinstance(volume, Skip) and volume in asked.found:
                            asked.found[volume].append(pv)


def _named(handles: list[str]) -> str:
    if len(handles) == 1:
        return f"volume {handles[0]}"
    more = f" and {len(handles) - MAX_NAMED} others" if len(handles) > MAX_NAMED else ""
    return f"volumes {', '.join(handles[:MAX_NAMED])}{more}"

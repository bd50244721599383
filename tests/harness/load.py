"""Volumes that are moved from node to node without a pause, while a test changes what serves them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.harness.patience import PATIENCE

if TYPE_CHECKING:
    from mooring.client import MooringClient
    from mooring.models import UnpublishResult


@dataclass(slots=True)
class Load:
    """The nodes where the volumes are, and how often each has been moved. An operation that fails ends all of it."""

    mooring: MooringClient
    nodes: dict[str, str]
    moves: Counter[str] = field(default_factory=Counter)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def goes_on(self, times: int) -> None:
        """Wait until every volume has been moved that often from now on."""
        wanted = {handle: self.moves[handle] + times for handle in self.nodes}
        async with asyncio.timeout(PATIENCE):
            while any(self.moves[handle] < number for handle, number in wanted.items()):
                await asyncio.sleep(0.05)

    async def move(self, handle: str) -> None:
        """Move the volume until the load is to stop."""
        await self.mooring.publish(handle, self.nodes[handle], deadline=PATIENCE)
        while not self._stop.is_set():
            left: UnpublishResult = await self.mooring.unpublish(handle, self.nodes[handle], deadline=PATIENCE)
            assert left.annotation_cleared
            self.nodes[handle] = "node-b" if self.nodes[handle] == "node-a" else "node-a"
            await self.mooring.publish(handle, self.nodes[handle], deadline=PATIENCE)
            self.moves[handle] += 1

    def stop(self) -> None:
        """Have every volume stay with the node that it is moved to."""
        self._stop.set()


@asynccontextmanager
async def load(mooring: MooringClient, handles: Iterable[str]) -> AsyncIterator[Load]:
    """Move the volumes while the block lasts, and have each published to a node in the end."""
    moving = Load(mooring, dict.fromkeys(handles, "node-a"))
    async with asyncio.TaskGroup() as group:
        for handle in moving.nodes:
            group.create_task(moving.move(handle))
        yield moving
        moving.stop()

"""The wait for the end of a live migration: until only one node holds the volume.

Contract: the first attempt waits for a minute, because most migrations are over by then: the index shows when, the live PV confirms
it. Each later one only looks, and Temporal retries: volumes that several nodes share for good occupy no worker. A first
attempt beyond its share of this worker's slots only looks as well. If the nodes are not limited, nothing is waited for.

Not kept here: the deadline (workflows/migrate.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from activities.attempt import attempt
from activities.polling import poll
from mooring.errors import MigrationAwaited
from mooring.models import VolumeRecord, VolumeRef

if TYPE_CHECKING:
    from mooring.index.manager import AttachmentManager
    from mooring.records.store import RecordStore


class MigrationActivities:
    """The migrations of one driver's volumes; `waits` of them are waited for at once.

    `limited`: the number of nodes that may hold such a volume is limited; else a second one means no migration.
    """

    def __init__(self, manager: AttachmentManager, volumes: RecordStore, waits: int, *, limited: bool) -> None:
        self._free = waits
        self._limited = limited
        self._manager = manager
        self._volumes = volumes

    @activity.defn(name="wait_for_migration")
    async def wait(self, volume: VolumeRef) -> VolumeRecord | None:
        """Wait until at most one node holds the volume, or any number may, and return its record, or None if its PV is gone."""
        handle = volume.volume_handle
        waits = MigrationAwaited(f"Volume {handle} is held by several nodes while it migrates; it is checked again.")
        async with attempt(patient=True):
            if activity.info().attempt == 1 and self._limited and self._free > 0:
                await self._wait_a_minute(handle, waits)
            record = await self._volumes.read(handle, self._manager.pvs(handle))
            if record is None or len(record.everyone) < 2 or not self._limited:
                return record
            raise waits

    async def _wait_a_minute(self, handle: str, waits: MigrationAwaited) -> None:
        self._free -= 1
        try:
            await poll(lambda: len(self._manager.nodes_of(handle)) < 2, waits)
        finally:
            self._free += 1

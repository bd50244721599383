"""`mooring list --watch`: each volume whose record changes, as it changes, until Ctrl-C.

A volume is printed if it fits the filters, or did until now. One whose PersistentVolume is deleted is printed once more, without
a PV. Changes during an interruption of the watch are found by another list.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from mooring.cli.output import note
from mooring.cluster.record_list import Records, by_volume, read_records, status, volumes_of
from mooring.models import VolumeStatus
from mooring.process.clock import utc_now
from mooring.records.store import Change, ChangeKind, HistoryGone

if TYPE_CHECKING:
    from collections.abc import Callable

    from mooring.cli.session import Session
    from mooring.records.compact import CompactRecord
    from mooring.records.store import RecordStore


def follow(
    session: Session, listed: Records, wanted: Callable[[VolumeStatus], bool], show: Callable[[VolumeStatus], None]
) -> NoReturn:
    """Show each change after the list of a volume that is wanted."""
    watch = VolumeWatch(session.driver, by_volume(listed.records), wanted, show)

    async def work() -> NoReturn:
        api = await session.kubernetes()
        try:
            volumes = volumes_of(api, session.driver, utc_now, interrupted=note)
            await watch.follow(volumes, listed.resource_version)
        finally:
            await api.close()

    session.run(work, "the watch of PersistentVolumes", "", streams=True)


@dataclass(frozen=True, slots=True)
class VolumeWatch:
    """The last cached record of each volume's PVs; `show` is given each change of a volume that is or was `wanted`."""

    driver: str
    seen: dict[str, list[CompactRecord]]
    wanted: Callable[[VolumeStatus], bool]
    show: Callable[[VolumeStatus], None]

    async def follow(self, volumes: RecordStore, resource_version: str) -> NoReturn:
        """Follow the watch without end.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: another list was needed, and failed.

        """
        since = resource_version
        while True:
            try:
                async with aclosing(volumes.watch(since)) as changes:
                    async for change in changes:
                        self._take_in(change)
            except HistoryGone:
                records = await read_records(volumes)
                self._take_over(records)
                since = records.resource_version

    def _take_in(self, change: Change) -> None:
        seen = change.record
        if seen is not None:
            others = [other for other in self.seen.get(seen.handle, ()) if other.pv != seen.pv]
            self._now(seen.handle, others if change.kind is ChangeKind.GONE else [*others, seen])

    def _take_over(self, records: Records) -> None:
        there = by_volume(records.records)
        for handle in [*self.seen, *(handle for handle in there if handle not in self.seen)]:
            self._now(handle, there.get(handle, []))

    def _now(self, handle: str, pvs: list[CompactRecord]) -> None:
        """Take the volume's PVs as just seen, none if the list is empty, and show the volume if it changed."""
        before = self.seen.pop(handle, [])
        if pvs:
            self.seen[handle] = pvs
        told = {seen.problem for seen in before}
        for problem in dict.fromkeys(seen.problem for seen in pvs if seen.problem and seen.problem not in told):
            note(f"Error: {problem}")
        was = self._status(before)
        now = self._status(pvs) or (None if pvs or not was else was.model_copy(update={"record": None}))
        if now is not None and now != was and (self.wanted(now) or (was is not None and self.wanted(was))):
            self.show(now)

    def _status(self, pvs: list[CompactRecord]) -> VolumeStatus | None:
        sound = [seen for seen in pvs if not seen.problem]
        return status(self.driver, sound) if sound else None

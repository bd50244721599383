"""`mooring list --watch`: each volume whose record changes, as it changes, until Ctrl-C.

A volume is printed where it fits the filters, or did until now. One whose PersistentVolume is deleted is printed once more, without
a PV. What happens while the watch is interrupted is made up for by another list.
"""

from __future__ import annotations

import logging
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn

from mooring.cli.output import note
from mooring.kubeconfig import connect
from mooring.models import VolumeStatus
from mooring.records import Records, read_records, status, volumes_of
from mooring.views import Change, ChangeKind, HistoryGone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mooring.cli.session import Session
    from mooring.sighting import Sighting
    from mooring.volumes import Volumes

REQUEST_SECONDS: Final = 10.0


def follow(
    session: Session, kubeconfig: str, listed: Records, wanted: Callable[[VolumeStatus], bool], show: Callable[[VolumeStatus], None]
) -> NoReturn:
    """Show what is wanted and changes after the list."""
    watch = VolumeWatch(session.driver, {seen.pv: seen for seen in listed.sightings}, wanted, show)

    async def work() -> NoReturn:
        api = await connect(kubeconfig or None, session.environ, REQUEST_SECONDS)
        try:
            await watch.follow(volumes_of(api, session.driver, lambda: datetime.now(UTC)), listed.resource_version)
        finally:
            await api.close()

    with _told():
        session.run(work, "the watch of PersistentVolumes", "", streams=True)


@dataclass(frozen=True, slots=True)
class VolumeWatch:
    """What was seen last of each PV, by its name; `show` is given what changes, where it is or was `wanted`."""

    driver: str
    seen: dict[str, Sighting]
    wanted: Callable[[VolumeStatus], bool]
    show: Callable[[VolumeStatus], None]

    async def follow(self, volumes: Volumes, resource_version: str) -> NoReturn:
        """Follow the watch without end.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: another list was needed, and could not be had.

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
        if change.sighting is not None:
            self._now(change.sighting.pv, None if change.kind is ChangeKind.GONE else change.sighting)

    def _take_over(self, records: Records) -> None:
        there = {seen.pv: seen for seen in records.sightings}
        for pv in [*self.seen, *(pv for pv in there if pv not in self.seen)]:
            self._now(pv, there.get(pv))

    def _now(self, pv: str, seen: Sighting | None) -> None:
        """The PV is as seen, or gone where it is None."""
        before = self.seen.pop(pv, None)
        if seen is not None:
            self.seen[pv] = seen
        if seen == before:
            return
        if seen is not None and seen.problem:
            note(f"Error: {seen.problem}")
            return
        was = self._status(before)
        now = self._status(seen) or (was and was.model_copy(update={"record": None}))
        if now is not None and (self.wanted(now) or (was is not None and self.wanted(was))):
            self.show(now)

    def _status(self, seen: Sighting | None) -> VolumeStatus | None:
        return None if seen is None or seen.problem else status(self.driver, seen)


@contextmanager
def _told() -> Iterator[None]:
    """Tell the operator that the watch does not get on, which is otherwise for logs."""
    log, notes = logging.getLogger("mooring.collection"), _Notes(logging.WARNING)
    log.addHandler(notes)
    try:
        yield
    finally:
        log.removeHandler(notes)


class _Notes(logging.Handler):
    """Tells what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())

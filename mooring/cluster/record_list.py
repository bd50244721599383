"""The holders of all volumes, read from all PVs of a driver by a program that is no worker: a list, and its faults.

Contract: a list is of one moment, and `resource_version` is where a watch goes on. Records that can't be read are reported, not
omitted.

Not kept here: any index (mooring/index/manager.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.errors import DuplicateVolume, MalformedRecord, MooringError, UntranslatableVolume
from mooring.kubernetes.list_watch import log_interruption
from mooring.models import VolumeStatus
from mooring.process.metrics import Metrics
from mooring.records.copies import disagreement, merge
from mooring.records.store import RecordStore

if TYPE_CHECKING:
    from mooring.kubernetes.api import KubernetesApi
    from mooring.records.compact import CompactRecord

PAGE_SIZE: Final = 500


@dataclass(frozen=True, slots=True)
class Records:
    """The cached records of the PVs as of `resource_version`; `untranslatable`: those of which the driver has no volume."""

    resource_version: str = ""
    records: list[CompactRecord] = field(default_factory=list)
    untranslatable: list[UntranslatableVolume] = field(default_factory=list)


def volumes_of(
    api: KubernetesApi, driver: str, now: Callable[[], datetime], interrupted: Callable[[str], None] = log_interruption
) -> RecordStore:
    """Return the store of the driver's PVs, for a program that shows no metrics.

    `now` is UTC; `interrupted` is given a sentence whenever a watch has lost its connection.
    """
    return PersistentVolumeStore(api, driver, now, Metrics(CollectorRegistry()), interrupted=interrupted)


async def read_records(volumes: RecordStore) -> Records:
    """Read the records on all PVs of the driver.

    Raises:
        KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

    """
    read = Records()
    async with aclosing(volumes.pages(PAGE_SIZE)) as pages:
        async for page in pages:
            read = Records(page.resource_version) if page.first else read
            read.records.extend(page.records)
            read.untranslatable.extend(page.untranslatable)
    return read


def statuses(driver: str, records: Iterable[CompactRecord]) -> tuple[list[VolumeStatus], list[MooringError]]:
    """Return the statuses of readable volumes, in the order of their handles, and the errors of the others."""
    found: list[VolumeStatus] = []
    wrong: list[MooringError] = []
    volumes = by_volume(records)
    for handle in sorted(volumes):
        pvs = sorted(volumes[handle], key=lambda seen: seen.pv)
        wrong += [MalformedRecord(seen.problem) for seen in pvs if seen.problem]
        sound = [seen for seen in pvs if not seen.problem]
        if sound:
            found.append(status(driver, sound))
    return found, [*wrong, *duplicates(records)]


def status(driver: str, pvs: Sequence[CompactRecord]) -> VolumeStatus:
    """Return what a volume's PVs say, as a model.

    Raises:
        MalformedRecord: one of them can't be read.

    """
    record = merge([seen.record() for seen in pvs])
    return VolumeStatus(driver=driver, volume_handle=pvs[0].handle, record=record, unpersisted=None)


def duplicates(records: Iterable[CompactRecord]) -> list[DuplicateVolume]:
    """Return an error for each volume whose PVs disagree about its holders."""
    several = (pvs for pvs in by_volume(records).values() if len(pvs) > 1)
    return [error for pvs in several if (error := disagreement(pvs)) is not None]


def by_volume(records: Iterable[CompactRecord]) -> dict[str, list[CompactRecord]]:
    """Group the cached records by volume handle."""
    volumes: dict[str, list[CompactRecord]] = {}
    for seen in records:
        volumes.setdefault(seen.handle, []).append(seen)
    return volumes

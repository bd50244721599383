"""Who holds what, read off all PVs of a driver by a program that is no worker: a list, and what is wrong with it.

Contract: a list is of one moment, and `resource_version` is where a watch goes on. What can't be read is told, not left out.

Not kept here: any index (manager.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from mooring.errors import DuplicateVolume, MalformedRecord, MooringError
from mooring.metrics import Metrics
from mooring.models import VolumeStatus
from mooring.views import refuse_duplicates
from mooring.volumes import KubernetesVolumes, Volumes

if TYPE_CHECKING:
    from mooring.apiserver import KubernetesApi
    from mooring.sighting import Sighting

PAGE_SIZE: Final = 500


@dataclass(frozen=True, slots=True)
class Records:
    """What the PVs said as of `resource_version`."""

    resource_version: str = ""
    sightings: list[Sighting] = field(default_factory=list)


def volumes_of(api: KubernetesApi, driver: str, now: Callable[[], datetime]) -> Volumes:
    """The door to the driver's PVs, for a program that shows no metrics. `now` is UTC."""
    return KubernetesVolumes(api, driver, now, Metrics(CollectorRegistry()))


async def read_records(volumes: Volumes) -> Records:
    """What every PV of the driver says.

    Raises:
        KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server did not say.

    """
    read = Records()
    async with aclosing(volumes.pages(PAGE_SIZE)) as pages:
        async for page in pages:
            read = Records(page.resource_version) if page.first else read
            read.sightings.extend(page.sightings)
    return read


def statuses(driver: str, sightings: Iterable[Sighting]) -> tuple[list[VolumeStatus], list[MooringError]]:
    """What can be read, by volume handle, and what is wrong with the rest."""
    found: list[VolumeStatus] = []
    malformed: list[MooringError] = []
    arranged = sorted(sightings, key=lambda seen: (seen.handle, seen.pv))
    for seen in arranged:
        try:
            found.append(status(driver, seen))
        except MalformedRecord as error:
            malformed.append(error)
    return found, [*malformed, *duplicates(arranged)]


def status(driver: str, seen: Sighting) -> VolumeStatus:
    """The same as a model.

    Raises:
        MalformedRecord: the record can't be read.

    """
    return VolumeStatus(driver=driver, volume_handle=seen.handle, record=seen.record(), unpersisted=None)


def duplicates(sightings: Iterable[Sighting]) -> list[DuplicateVolume]:
    """The volumes that several PVs claim."""
    claims: dict[str, list[str]] = {}
    for seen in sightings:
        claims.setdefault(seen.handle, []).append(seen.pv)
    return [error for handle, pvs in claims.items() for error in _duplicate(handle, pvs)]


def _duplicate(handle: str, pvs: Sequence[str]) -> list[DuplicateVolume]:
    try:
        refuse_duplicates(handle, pvs)
    except DuplicateVolume as error:
        return [error]
    return []

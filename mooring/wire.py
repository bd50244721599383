"""The PersistentVolume as the API server sends it: of its fields those that Mooring needs, and nothing else is decoded.

Contract: a `Pv` of this driver becomes a `Sighting`; what is no such PV is told by `Skip`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from mooring.annotations import Keys
from mooring.apiserver import Status
from mooring.sighting import Sighting, sight
from mooring.views import Page, Skip


class Csi(msgspec.Struct, rename="camel", gc=False):
    """A PV's CSI source."""

    driver: str = ""
    volume_handle: str = ""


class Spec(msgspec.Struct, gc=False):
    """A PV's specification."""

    csi: Csi | None = None


class Metadata(msgspec.Struct, rename="camel"):
    """A PV's metadata."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class Pv(msgspec.Struct):
    """A PersistentVolume."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: Spec = msgspec.field(default_factory=Spec)


class ListMetadata(msgspec.Struct, rename={"resource_version": "resourceVersion", "next": "continue"}):
    """Where a list stands; `next` is the token of the next page, "" on the last."""

    resource_version: str = ""
    next: str = ""


class PvList(msgspec.Struct):
    """One page of a list of PVs."""

    metadata: ListMetadata
    items: list[Pv]


class Event(msgspec.Struct):
    """One line of a watch. The object of a line of type ERROR is a `Status` instead (`Failure`)."""

    type: str
    object: Pv


class Failure(msgspec.Struct):
    """The line with which the server ends a watch that can't go on."""

    object: Status


PV: Final = msgspec.json.Decoder(Pv)
PV_LIST: Final = msgspec.json.Decoder(PvList)
EVENT: Final = msgspec.json.Decoder(Event)
FAILURE: Final = msgspec.json.Decoder(Failure)


class Sighter:
    """Makes sightings of one driver's PVs. `now` gives the time that stands in for unreadable ones."""

    def __init__(self, driver: str, now: Callable[[], datetime]) -> None:
        self._driver = driver
        self._keys = Keys.of(driver)
        self._now = now

    def look(self, pv: Pv) -> tuple[Sighting, int] | Skip:
        """What the PV says and how many of its times were replaced, or why it is none of this driver's volumes."""
        csi = pv.spec.csi
        if csi is None:
            return Skip.NOT_CSI
        if csi.driver != self._driver:
            return Skip.OTHER_DRIVER
        if not csi.volume_handle:
            return Skip.NO_VOLUME_HANDLE
        meta = pv.metadata
        return sight(self._driver, self._keys, csi.volume_handle, meta.name, meta.uid, meta.annotations, self._now())

    def page(self, listed: PvList, *, first: bool) -> Page:
        """What a page of a list says."""
        sightings: list[Sighting] = []
        skipped: Counter[str] = Counter()
        replaced_times = 0
        for pv in listed.items:
            look = self.look(pv)
            if isinstance(look, Skip):
                skipped[look] += 1
                continue
            sightings.append(look[0])
            replaced_times += look[1]
            if look[0].problem:
                skipped[Skip.MALFORMED] += 1
        return Page(listed.metadata.resource_version, first, sightings, skipped, replaced_times)

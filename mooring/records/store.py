"""What a list and a watch of PVs bring: pages and changes, made of sightings; and what makes either useless.

Contract: only PVs of the one driver are sighted; all others are counted and left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from mooring.errors import UntranslatableVolume
from mooring.sighting import Sighting


class Skip(StrEnum):
    """Why a listed PV is no volume that can be published."""

    NOT_CSI = "not_csi"
    OTHER_DRIVER = "other_driver"
    NO_VOLUME_HANDLE = "no_volume_handle"
    UNTRANSLATABLE = "untranslatable_in_tree_source"
    MALFORMED = "malformed_record"
    DUPLICATE = "duplicate_volume_handle"


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list of PVs, all as of one `resource_version`. `first`: the list begins (anew) here, and earlier pages are void.

    A malformed record is sighted, with its problem, and counted among `skipped` too; `replaced_times` counts unreadable times.
    `untranslatable` says of each PV with an in-tree source of the driver why it is no volume; these are counted as well.
    """

    resource_version: str
    first: bool
    sightings: list[Sighting] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    replaced_times: int = 0
    untranslatable: list[UntranslatableVolume] = field(default_factory=list)


class ChangeKind(StrEnum):
    """What a watch reports."""

    SEEN = "seen"
    GONE = "gone"
    ALIVE = "alive"


@dataclass(frozen=True, slots=True)
class Change:
    """What a watch saw: a PV as it is (SEEN), as it last was (GONE), or that the watch is alive (ALIVE, without a sighting)."""

    kind: ChangeKind
    sighting: Sighting | None = None
    replaced_times: int = 0


class HistoryGone(Exception):
    """What happened to PVs since a resource version is no longer known: list anew."""

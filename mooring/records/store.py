"""The protocol of a store of records: read, compare-and-set, list, watch.

Contract: a store serves one driver. Its reads are live; a write is applied if and only if the record still is as its mark says.
After an error a write may still land, and the same write may be made again: it is recognised by its operation. A list and a watch
return only PVs of the one driver; all others are counted and skipped.

Not kept here: the stores themselves, in a cluster (mooring/cluster/persistent_volumes.py) and without one (memory_store.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

from mooring.errors import UntranslatableVolume
from mooring.models import VolumeRecord, Write, WriteResult
from mooring.records.compact import CompactRecord

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list of PVs, all as of one `resource_version`. `first`: the list begins (again) here, and earlier pages are void.

    A malformed record is sighted, with its problem, and counted among `skipped` too; `replaced_times` counts unreadable times.
    `untranslatable` gives for each PV with an in-tree source of the driver the reason why it is no volume; these count as well.
    """

    resource_version: str
    first: bool
    records: list[CompactRecord] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    replaced_times: int = 0
    untranslatable: list[UntranslatableVolume] = field(default_factory=list)


class ChangeKind(StrEnum):
    """Kind of a watch's report."""

    SEEN = "seen"
    GONE = "gone"
    ALIVE = "alive"


@dataclass(frozen=True, slots=True)
class Change:
    """Report of a watch: a PV as it is (SEEN), as it last was (GONE), or that the watch is alive (ALIVE, without a record)."""

    kind: ChangeKind
    record: CompactRecord | None = None
    replaced_times: int = 0


class HistoryGone(Exception):
    """The changes of PVs since a resource version are no longer known: list again."""


class RecordStore(Protocol):
    """The store of the records of one driver's volumes."""

    async def read(self, volume_handle: str, known: Mapping[str, str] = _NONE, more: Iterable[str] = ()) -> VolumeRecord | None:
        """Read the record on the volume's PVs now; return None if there is no PV.

        `known` is the uid of each PV that an index knows, by its name: if any of them still exists, only these are read, with
        `more`, names that were seen elsewhere, and the PVs that their records name. If none does, all PVs are listed.

        NB: a PV of a known name and another uid is new, and there may be others of which the index doesn't know either.

        Raises:
            MalformedRecord: no record can be read. Of several, the result names those that can't (`unreadable`).
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

        """

    async def compare_and_set(self, write: Write) -> WriteResult:
        """Make the write if the PV still is as its mark says; if not, return the record on it instead (None: it is gone).

        Raises:
            KubernetesRejected: the record had not changed; the API server refuses the write itself.
            RecordTooLarge: because the PV's annotations have no room for it.
            The errors of `read`. After KubernetesUnavailable the write may have landed, or land later.

        """

    def pages(self, page_size: int) -> AsyncGenerator[Page]:
        """Yield all PVs as of one moment, at most `page_size` at a time; `Page.first` marks a list that had to begin again."""

    def watch(self, resource_version: str) -> AsyncGenerator[Change]:
        """Yield the changes of PVs after a list's `resource_version`, without end and without gaps; reconnect by itself.

        Raises:
            HistoryGone: the changes since then are no longer known.

        """

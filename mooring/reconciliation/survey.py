"""One look at a driver: its PVs listed afresh, against VolumeAttachments, nodes, open runs, the driver's own list and this worker's
index.

Contract: a look changes nothing, with one exception: if two looks in a row miss the same in the index, it is rebuilt. A difference
that an open operation may explain is omitted. If the driver doesn't list its volumes, the rest is compared; if Kubernetes or
Temporal doesn't answer, there is no look.

The cost of a look: the PVs in pages, as a rebuild; the VolumeAttachments and, if there are any, the CSINodes; three lists of
runs; a question to Temporal for each volume that shows drift, at most `MAX_IN_FULL`; and the histories that past_runs.py reads.

Not kept here: the definition of drift (comparison.py, vanished.py), and the number of looks (workflows/reconcile.py).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeVar, runtime_checkable

from mooring import names
from mooring.adoption.doubts import Doubts
from mooring.cluster.node_ids import Nodes
from mooring.cluster.node_usage import NodeUsageReader
from mooring.cluster.volume_attachments import Attached, VolumeAttachments
from mooring.errors import MooringError
from mooring.index.manager import AttachmentManager
from mooring.kubernetes import in_tree
from mooring.models.drift import MAX_IN_FULL, Drift, DriftKind, Key, SurveyResult, hand_over, ranked
from mooring.reconciliation.comparison import Evidence, behind, compare, compare_several, release, unpersisted
from mooring.reconciliation.past_runs import PastRuns
from mooring.reconciliation.vanished import altered, departed, unplaced
from mooring.records.compact import CompactRecord
from mooring.records.copies import unite
from mooring.records.store import RecordStore
from mooring.temporal.visibility import RunVisibility

CHUNK: Final = 100
"""PVs that are compared in one go, which takes about a millisecond."""
LASTING: Final = (
    DriftKind.UNREADABLE_RECORD,
    DriftKind.DUPLICATE_VOLUME,
    DriftKind.INDEX_BEHIND,
    DriftKind.UNPERSISTED,
    DriftKind.UNPLACED_VOLUME_ATTACHMENT,
)
"""Drift that no operation on the volume brings about or ends while it is open."""

RecordsByHandle = Mapping[str, Sequence[CompactRecord]]
"""Volume handle -> what each of its PVs says."""
T = TypeVar("T")


@runtime_checkable
class ListsNodes(Protocol):
    """A backend that says which nodes have its volumes."""

    def published(self) -> AsyncGenerator[tuple[str, str]]:
        """Yield every volume handle with its node id, or raise MooringError."""


@dataclass(frozen=True, slots=True)
class SurveySources:
    """The sources of a look, and the permitted remedies for its findings.

    `published`: the driver's list of its volumes' nodes. `releases`: holders may be released (comparison.py), as volumes are
    requested by VolumeAttachments here. `evacuates`: nodes may be evacuated without an operator's command.
    """

    driver: str
    worker: str
    volumes: RecordStore
    attachments: VolumeAttachments
    nodes: Nodes
    node_usage: NodeUsageReader
    runs: RunVisibility
    past_runs: PastRuns
    manager: AttachmentManager
    doubts: Doubts
    published: ListsNodes | None
    releases: bool
    evacuates: bool
    page_size: int
    now: Callable[[], datetime]


class DriftSurvey:
    """The survey of one driver. `rebuild` has this worker's index rebuilt."""

    def __init__(self, sources: SurveySources, rebuild: Callable[[], None]) -> None:
        self._ask = sources
        self._rebuild = rebuild
        self._behind: set[Key] = set()
        """Keys of the drifts in which the last look found the index behind."""

    async def look(self) -> SurveyResult:
        """Look once.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable, TemporalUnavailable: one of them didn't answer.

        """
        records = await self._records()
        evidence, not_compared = await self._evidence(records)
        drifts = [drift async for drift in self._compared(records, evidence)]
        drifts += self._vanished(records, evidence, _told(drifts))
        drifts += await self._unrecorded(records, _told(drifts))
        found = ranked([*drifts, *await self._index_drift(records)])
        first = await self._released(await self._idle(found[:MAX_IN_FULL]))
        return hand_over([*first, *found[MAX_IN_FULL:]], sum(map(len, records.values())), not_compared)

    async def _records(self) -> RecordsByHandle:
        records: defaultdict[str, list[CompactRecord]] = defaultdict(list)
        async with aclosing(self._ask.volumes.pages(self._ask.page_size)) as pages:
            async for page in pages:
                if page.first:
                    records.clear()
                for seen in page.records:
                    records[seen.handle].append(seen)
                await asyncio.sleep(0)
        return records

    async def _evidence(self, records: RecordsByHandle) -> tuple[Evidence, list[str]]:
        ask, not_compared = self._ask, list[str]()
        evidence = Evidence(
            attached=await self._attached(records),
            published=await self._published(not_compared),
            uncleared=await ask.runs.uncleared({handle async for handle, pvs in _some(records.items()) if unite(pvs).nodes}),
            waiting=await ask.runs.waiting(),
            unsettled=ask.doubts.unsettled,
            gone=lambda node_id: ask.nodes.find(node_id) is None,
            tracked=ask.manager.nodes_of,
            evacuates=ask.evacuates,
        )
        return evidence, not_compared

    async def _attached(self, records: RecordsByHandle) -> dict[str, list[Attached]] | None:
        """Return the VolumeAttachments of each PV, or None if nobody makes any, as then they say nothing about holders."""
        listed = await self._ask.attachments.listed()
        if not listed and (listed is None or not self._ask.releases):
            return None
        found = await _by_pv(listed)
        async for _, pvs in _some(records.items()):
            if len(pvs) > 1:  # each shows what there is of the volume
                shown = [each for pv in pvs for each in found.get(pv.pv, ())]
                found.update((pv.pv, shown) for pv in pvs)
        return found

    async def _published(self, not_compared: list[str]) -> dict[str, set[str]] | None:
        if self._ask.published is None:
            return None
        found: defaultdict[str, set[str]] = defaultdict(set)
        try:
            async with aclosing(self._ask.published.published()) as published:
                async for handle, node_id in published:
                    for name in in_tree.handles(self._ask.driver, handle, node_id):
                        found[name].add(node_id)
        except MooringError as error:
            not_compared.append(str(error))
            return None
        return found

    async def _compared(self, records: RecordsByHandle, evidence: Evidence) -> AsyncGenerator[Drift]:
        async for _, pvs in _some(records.items()):
            known = self._ask.manager.known
            lowered = [drift for pv in pvs if (drift := altered(pv, known(pv.handle, pv.uid))) is not None]
            for drift in lowered or (compare(pvs[0], evidence) if len(pvs) == 1 else compare_several(pvs, evidence)):
                yield drift
        for handle, waits in evidence.waiting.items():
            pvs = records.get(handle, [])
            late = unpersisted(handle, waits, pvs[0].pv if pvs else "", self._ask.now())
            if late is not None:
                yield late

    def _vanished(self, records: RecordsByHandle, evidence: Evidence, told: Container[tuple[str, str]]) -> Iterator[Drift]:
        """Yield the drifts that deleted PVs left behind; `told` are the volumes and nodes of which another drift says more."""
        attached = evidence.attached or {}
        departures = self._ask.manager.departures.open()
        for departure in departures:
            named = [each for pv in departure.pvs.values() for each in attached.get(pv, ())]
            for drift in departed(departure, records.get(departure.seen.handle, ()), named):
                if (drift.volume_handle, drift.node_id) not in told:
                    yield drift
        placed = {pv.pv for pvs in records.values() for pv in pvs}
        yield from unplaced(attached, placed, {pv: departure for departure in departures for pv in departure.pvs.values()})

    async def _unrecorded(self, records: RecordsByHandle, told: Container[tuple[str, str]]) -> list[Drift]:
        """Return what only the operations of volumes say, likewise."""
        unwritten: dict[str, Sequence[CompactRecord]] = {}
        written: set[str] = set()
        async for handle, pvs in _some(records.items()):
            name = names.short(handle) if names.may_be_shortened(handle) else handle
            if any(pv.epoch is not None for pv in pvs):
                written.add(name)
            else:
                unwritten[name] = pvs
        found = await self._ask.past_runs.look(unwritten, written)
        return [drift for drift in found if (drift.volume_handle, drift.node_id) not in told]

    async def _index_drift(self, records: RecordsByHandle) -> list[Drift]:
        known = {seen.uid: seen for seen in self._ask.manager.records()}
        fresh = [(pv, known.pop(pv.uid, None)) async for _, pvs in _some(records.items()) for pv in pvs]
        gone = [(None, seen) for seen in known.values()]
        drifts = [behind(pv, seen, self._ask.worker) async for pv, seen in _some([*fresh, *gone])]
        found = [drift for drift in drifts if drift is not None]
        keys = {drift.key for drift in found}
        if keys & self._behind:
            self._rebuild()
        self._behind = keys
        return found

    async def _idle(self, drifts: Sequence[Drift]) -> list[Drift]:
        """Return the drifts that are no trace of an operation under way."""
        busy = await self._ask.runs.busy(drift.volume_handle for drift in drifts if drift.kind not in LASTING)
        return [drift for drift in drifts if drift.kind in LASTING or drift.volume_handle not in busy]

    async def _released(self, drifts: Sequence[Drift]) -> list[Drift]:
        """Return the drifts, with unrequested holders marked for release if their node says that it doesn't use the volume."""
        if not self._ask.releases:
            return list(drifts)
        suspects = [drift for drift in drifts if drift.kind is DriftKind.HOLDER_WITHOUT_VOLUME_ATTACHMENT]
        states = await self._ask.node_usage.read({drift.node_id for drift in suspects})
        released = {drift.key: release(drift, self._ask.driver, states.get(drift.node_id)) for drift in suspects}
        return [released.get(drift.key, drift) for drift in drifts]


def _told(drifts: Iterable[Drift]) -> set[tuple[str, str]]:
    return {(drift.volume_handle, drift.node_id) for drift in drifts}


async def _by_pv(attached: Sequence[Attached]) -> dict[str, list[Attached]]:
    found: defaultdict[str, list[Attached]] = defaultdict(list)
    async for each in _some(attached):
        found[each.pv].append(each)
    return found


async def _some(items: Iterable[T]) -> AsyncGenerator[T]:
    """Yield the items, some at a time, so that others may run in between."""
    for number, item in enumerate(items, 1):
        yield item
        if number % CHUNK == 0:
            await asyncio.sleep(0)

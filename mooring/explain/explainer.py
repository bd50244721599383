"""A volume explained: both halves are read at once, and either may be missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from mooring.adoption.detachments import CLOCK_SKEW, LateDetachments
from mooring.errors import MooringError
from mooring.explain.advice import advise
from mooring.explain.cluster_facts import ClusterPart, ClusterReader
from mooring.explain.evidence_facts import RecordEvidenceReader
from mooring.explain.facts import Explanation, Facts
from mooring.explain.operation_facts import OperationsPart, RelatedPart, read_operations, read_related

if TYPE_CHECKING:
    from temporalio.client import Client

    from mooring.evidence.evidence import RecordEvidence
    from mooring.kubernetes.api import KubernetesApi
    from mooring.models import VolumeRecord, VolumeRef, VolumeStatus

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Explainer:
    """The explainer of volumes. `temporal` and `kubernetes` connect; `queue` is that of the workers, `now` UTC.

    `ask` has a worker of a task queue read the volume's record, for a user who can't read the PVs. `ui` is the URL of the Temporal
    UI, "" if it is unknown.
    """

    temporal: Callable[[], Awaitable[Client]]
    kubernetes: Callable[[], Awaitable[KubernetesApi]]
    queue: str
    now: Callable[[], datetime]
    ask: Callable[[Client, VolumeRef, str], Awaitable[VolumeStatus]]
    ui: str = ""

    async def explain(self, volume: VolumeRef) -> tuple[Explanation, list[MooringError]]:
        """Return all that is known of the volume, and the errors that hid the rest."""
        errors: list[MooringError] = []
        client = asyncio.create_task(self._or_told(self.temporal(), errors))
        cluster, operations = await asyncio.gather(
            self._or_told(self._cluster(client, volume), errors), self._or_told(self._operations(client, volume), errors)
        )
        part = cluster or ClusterPart()
        nodes = {node.node_id for node in part.nodes} | {held.node_id for pv in part.pvs if pv.record for held in pv.record.holders}
        reached = await client
        asked = self._or_told(read_related(reached, volume, nodes), errors) if reached and operations else None
        related = (await asked if asked else None) or RelatedPart()
        errors += part.errors
        told = await self._told(reached, volume, operations) if reached and cluster is None and operations else None
        facts = _facts(volume, part, operations, related, errors, told)
        facts = facts.model_copy(update={"ui": self.ui})
        return Explanation(**dict(facts), what_to_do=advise(facts)), errors

    async def _told(self, client: Client, volume: VolumeRef, operations: OperationsPart) -> VolumeStatus | None:
        """Return what a worker reads, of the open operation's task queue if one polls it; None if there is no answer."""
        queue = operations.task_queue if operations.workers.served else self.queue
        return await self._or_told(self.ask(client, volume, queue), [])

    async def _cluster(self, client: Awaitable[Client | None], volume: VolumeRef) -> ClusterPart:
        api = await self.kubernetes()
        try:
            beyond = RecordEvidenceReader(reached, api, volume, self.now) if (reached := await client) else None
            part = await self._read(client, api, volume, beyond)
            # NB: what was written between two questions makes a record look as if it said too little, so it is looked at twice
            return await self._read(client, api, volume, beyond) if _vanished(part.beyond) else part
        finally:
            await api.close()

    async def _read(
        self, client: Awaitable[Client | None], api: KubernetesApi, volume: VolumeRef, beyond: RecordEvidenceReader | None
    ) -> ClusterPart:
        told: list[MooringError] = []
        last = (await self._or_told(beyond.last(), told) or ()) if beyond else ()
        before = frozenset(seen.pv for seen in last)
        part = await ClusterReader(api, volume, self.now, LateDetachments(lambda: client, CLOCK_SKEW, self.now), before).read()
        if beyond and not told:
            part.beyond = await self._or_told(beyond.read(last, part), told) or part.beyond
        part.errors += [error for error in told if str(error) not in map(str, part.errors)]
        return part

    async def _operations(self, client: Awaitable[Client | None], volume: VolumeRef) -> OperationsPart | None:
        reached = await client
        return await read_operations(reached, volume, self.queue) if reached else None

    async def _or_told(self, asked: Awaitable[A], errors: list[MooringError]) -> A | None:
        try:
            return await asked
        except MooringError as error:
            errors.append(error)
            return None


def _vanished(beyond: RecordEvidence) -> VolumeRecord | None:
    """Return the record known beyond the PVs, or None if it adds nothing to them."""
    known = beyond.record or beyond.departed
    return known if known is not None and (known.altered or known.evidence) else None


def _facts(
    volume: VolumeRef,
    cluster: ClusterPart,
    operations: OperationsPart | None,
    related: RelatedPart,
    errors: Sequence[MooringError],
    told: VolumeStatus | None,
) -> Facts:
    vanished = _vanished(cluster.beyond)
    return Facts(
        driver=volume.driver,
        volume_handle=volume.volume_handle,
        pvs=cluster.pvs,
        volume_attachments=cluster.attachments,
        nodes=cluster.nodes,
        findings=() if vanished and vanished.altered else cluster.findings,
        unpersisted=operations.unpersisted if operations else None,
        vanished=vanished,
        unplaced=cluster.beyond.unplaced,
        runs=operations.runs if operations else (),
        related=related.runs,
        stuck=(*(operations.stuck if operations else ()), *related.stuck),
        workers=tuple(sorted(operations.workers.served)) if operations else None,
        waiters=tuple(sorted(operations.waiters.served)) if operations else None,
        unserved=operations.workers.unserved if operations else None,
        unserved_waits=operations.waiters.unserved if operations else None,
        unasked=tuple(map(str, errors)),
        task_queue=operations.task_queue if operations else "",
        told=told,
        namespace=operations.namespace if operations else "default",
    )

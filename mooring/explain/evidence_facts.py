"""The evidence about a volume beyond its PVs, as a worker that has just started would know it: all of it is asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from mooring.adoption.detachments import CLOCK_SKEW
from mooring.cluster.attachment_cache import ListedAttachments
from mooring.cluster.node_ids import AnyNode
from mooring.cluster.node_usage import ClusterNodeUsage
from mooring.cluster.volume_attachments import ClusterAttachments
from mooring.evidence.asker import AskingRun
from mooring.evidence.evidence import EvidenceReader, RecordEvidence
from mooring.evidence.last_run import last_run
from mooring.evidence.unplaced import UnplacedAttachments
from mooring.index.manager import AttachmentManager
from mooring.records.compact import CompactRecord
from mooring.records.copies import merge
from mooring.records.store import Change, ChangeKind
from mooring.temporal.runs import deadline

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from temporalio.client import Client

    from mooring.explain.cluster_facts import ClusterPart
    from mooring.kubernetes.api import KubernetesApi
    from mooring.models import VolumeRecord, VolumeRef

SECONDS: Final = 15.0
_SKEW: Final = timedelta(seconds=CLOCK_SKEW)
_NOTHING: Final = RecordEvidence(None)


@dataclass(frozen=True, slots=True)
class RecordEvidenceReader:
    """A reader of the evidence about one volume beyond its PVs. `now` is UTC."""

    client: Client
    api: KubernetesApi
    volume: VolumeRef
    now: Callable[[], datetime]

    async def last(self) -> tuple[CompactRecord, ...]:
        """Return the records that the newest operation that knew the volume's holders wrote to its PVs.

        NB: to be called before the PVs are listed, or a write in between would make them look altered.

        Raises:
            TemporalUnavailable: Temporal didn't answer.

        """
        handle = self.volume.volume_handle
        async with deadline(SECONDS, f"The last operations on volume {handle}"):
            left = await last_run(self.client, self.volume, "", _SKEW)
        return tuple(_left(handle, copy, left.record) for copy in left.record.copies if copy.mark.uid) if left else ()

    async def read(self, last: tuple[CompactRecord, ...], part: ClusterPart) -> RecordEvidence:
        """Return the evidence, empty if a PV can't be read.

        Raises:
            TemporalUnavailable, KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: one of them didn't answer.

        """
        records = [pv.record for pv in part.pvs if pv.record is not None]
        if len(records) != len(part.pvs):
            return _NOTHING
        attachments = ClusterAttachments(self.api, self.volume.driver, self.now)
        attached = ListedAttachments(await attachments.attached(), part.placed)
        manager = _seen(self.volume.volume_handle, records)
        unplaced = UnplacedAttachments(
            manager, attached, attachments, ClusterNodeUsage(self.api, self.volume.driver, time.monotonic)
        )
        evidence = EvidenceReader(self.volume.driver, self.client, manager, attached, attachments, AnyNode(), _SKEW, unplaced)
        live = merge(records) if records else None
        async with deadline(SECONDS, f"The evidence about volume {self.volume.volume_handle}"):
            return await evidence.look_found(self.volume.volume_handle, last, {seen.pv for seen in last}, live, AskingRun())


def _left(handle: str, copy: VolumeRecord, record: VolumeRecord) -> CompactRecord:
    """Return the record that an operation left on a PV, or the one before the alteration if it knew the PV to be altered."""
    seen = CompactRecord.of(handle, copy)
    return replace(seen, epoch=max(record.epoch, record.floor)) if record.altered else seen


def _seen(handle: str, records: list[VolumeRecord]) -> AttachmentManager:
    manager = AttachmentManager()
    for record in records:
        manager.apply_event(Change(ChangeKind.SEEN, CompactRecord.of(handle, record)))
    return manager

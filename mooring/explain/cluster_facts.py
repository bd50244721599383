"""The Kubernetes half of a volume's facts: its PV, VolumeAttachments and nodes, read with the user's own rights.

Contract: without the PVs nothing can be explained, and the error is raised; every other part may be missing, and its error is
reported.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

from mooring.adoption.detachments import Detachments, look_back
from mooring.adoption.rules import judge
from mooring.cluster.node_ids import read_node_ids
from mooring.cluster.volume_attachments import Volume, node_id_of, read_attached, shared_mode
from mooring.errors import MalformedRecord, MooringError
from mooring.evidence.evidence import RecordEvidence
from mooring.explain.facts import AttachmentFacts, NodeFacts, PvFacts
from mooring.kubernetes.api import KubernetesApi, NotFound, Request
from mooring.kubernetes.attachment_objects import VOLUME_ATTACHMENTS, VolumeAttachment
from mooring.kubernetes.list_watch import decode, list_all
from mooring.kubernetes.node_objects import NODE, NODES
from mooring.kubernetes.pv_objects import PVS_WITH_STATUS, Pv, PvWithStatus, access_modes, handle, is_readonly
from mooring.models import Skip, VolumeRecord, VolumeRef
from mooring.models.adoption import Finding
from mooring.records.annotations import read as read_record
from mooring.records.copies import merge

A = TypeVar("A")


@dataclass(slots=True)
class ClusterPart:
    """The facts from Kubernetes, and the errors of those it didn't supply. `placed` names all PVs of the driver's volumes."""

    pvs: tuple[PvFacts, ...] = ()
    attachments: tuple[AttachmentFacts, ...] | None = None
    nodes: tuple[NodeFacts, ...] = ()
    findings: tuple[Finding, ...] = ()
    errors: list[MooringError] = field(default_factory=list)
    placed: set[str] = field(default_factory=set)
    beyond: RecordEvidence = field(default_factory=lambda: RecordEvidence(None))


@dataclass(frozen=True, slots=True)
class ClusterReader:
    """A reader of the facts about one volume.

    `now` is UTC, `detachments` are asked about VolumeAttachments that the record doesn't know, `before` names PVs that the volume
    had.
    """

    api: KubernetesApi
    volume: VolumeRef
    now: Callable[[], datetime]
    detachments: Detachments
    before: frozenset[str] = frozenset()

    async def read(self) -> ClusterPart:
        """Read all the facts.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the PVs could not be listed.

        """
        part = ClusterPart()
        pvs = await list_all(self.api, PVS_WITH_STATUS, lambda pv: self._claims(pv, part.placed))
        names = {pv.metadata.name for pv in pvs}
        part.pvs = tuple(self._pv(pv) for pv in pvs)
        known = (names | self.before) - {""}
        found = await _or_told(list_all(self.api, VOLUME_ATTACHMENTS, lambda each: each.pv in known), part)
        node_ids = await _or_told(read_node_ids(self.api, self.volume.driver), part)
        part.attachments = None if found is None else tuple(_attachment(each, node_ids or {}) for each in found)
        own = [each for each in found or () if each.pv in names]
        part.findings = tuple(await self._judge(pvs, part.pvs, own, node_ids or {}))
        wanted = _nodes_of(part, node_ids)
        part.nodes = tuple(filter(None, [await _or_told(self._node(*pair, part, node_ids or {}), part) for pair in wanted.items()]))
        return part

    def _claims(self, pv: Pv, placed: set[str]) -> bool:
        """Return whether the PV is one of the volume's, and note its name if it is one of any volume of the driver."""
        named = handle(self.volume.driver, pv)
        if not isinstance(named, Skip):
            placed.add(pv.metadata.name)
        return named == self.volume.volume_handle

    def _pv(self, pv: PvWithStatus) -> PvFacts:
        pvc = pv.spec.claim_ref
        record, problem = self._record(pv)
        return PvFacts(
            name=pv.metadata.name,
            phase=pv.status.phase,
            claim=f"{pvc.namespace}/{pvc.name}" if pvc else "",
            reclaim_policy=pv.spec.persistent_volume_reclaim_policy,
            access_modes=tuple(pv.spec.access_modes or ()),
            deleting_since=pv.metadata.deletion_timestamp,
            record=record,
            problem=problem,
            takes_secrets=pv.spec.csi is not None and pv.spec.csi.controller_publish_secret_ref is not None,
        )

    def _record(self, pv: Pv) -> tuple[VolumeRecord | None, str]:
        meta = pv.metadata
        try:
            return read_record(self.volume.driver, meta.name, meta.uid, meta.annotations, self.now()).record, ""
        except MalformedRecord as error:
            return None, str(error).removesuffix(error.advice).rstrip()

    async def _judge(
        self, pvs: Sequence[Pv], facts: tuple[PvFacts, ...], found: Iterable[VolumeAttachment], node_ids: Mapping[str, str]
    ) -> list[Finding]:
        """Judge the VolumeAttachments as a starting worker would; return no findings if the record can't be trusted."""
        records = [fact.record for fact in facts if fact.record is not None]
        if len(records) != len(pvs) or not pvs:
            return []
        modes = {shared_mode(access_modes(pv)) for pv in pvs}
        mode, readonly = modes.pop() if len(modes) == 1 else None, is_readonly(self.volume.driver, pvs[0])
        volume = Volume(self.volume.driver, self.volume.volume_handle, facts[0].name, merge(records), mode, readonly)
        attached = [read_attached(each, node_ids, self.now()) for each in found if each.status.attached]
        return judge(volume, attached, await look_back(volume, attached, self.detachments))

    async def _node(self, name: str, node_id: str, part: ClusterPart, node_ids: Mapping[str, str]) -> NodeFacts:
        request = Request(f"read Node {name}", "GET", f"{NODES.path}/{quote(name, safe='')}")
        try:
            node = decode(NODE, request, await self.api.request(request))
        except NotFound:
            guessed = name not in node_ids and all(each.node != name for each in part.attachments or ())
            return NodeFacts(name=name, node_id=node_id, exists=False, registered=name in node_ids, guessed=guessed)
        return NodeFacts(
            name=name,
            node_id=node_id,
            exists=True,
            ready=node.readiness,
            out_of_service=node.out_of_service,
            registered=name in node_ids,
        )


async def _or_told(asked: Awaitable[A], part: ClusterPart) -> A | None:
    """Return the answer, or None if it failed, with the error noted on `part`."""
    try:
        return await asked
    except MooringError as error:
        part.errors.append(error)
        return None


def _attachment(each: VolumeAttachment, node_ids: Mapping[str, str]) -> AttachmentFacts:
    meta, status = each.metadata, each.status
    trouble = (status.detach_error if meta.deletion_timestamp else None) or status.attach_error or status.detach_error
    return AttachmentFacts(
        name=meta.name,
        node=each.spec.node_name,
        node_id=node_id_of(each, node_ids),
        attached=status.attached,
        since=meta.creation_timestamp,
        deleting_since=meta.deletion_timestamp,
        error=trouble.message if trouble else "",
    )


def _nodes_of(part: ClusterPart, node_ids: Mapping[str, str] | None) -> dict[str, str]:
    """Map the name of each Node to look at to its node id. Without the CSINodes, the Node of a holder is unknown."""
    wanted = {each.node: each.node_id or each.node for each in part.attachments or ()}
    names = {node_id: name for name, node_id in {**wanted, **(node_ids or {})}.items()}
    held = {held.node_id for pv in part.pvs if pv.record for held in pv.record.holders}
    known = {names.get(node_id, node_id): node_id for node_id in sorted(held) if node_ids is not None or node_id in names}
    return {**wanted, **known}

"""The Kubernetes half of a volume's facts: its PV, VolumeAttachments and nodes, read with the user's own rights.

Contract: without the PVs nothing can be explained, and the error is raised; every other part may be missing, and its error is
reported.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import quote

from mooring.adoption.detachments import Detachments, look_back
from mooring.adoption.rules import judge
from mooring.cluster.volume_attachments import Attached, Volume, shared_mode
from mooring.errors import MalformedRecord, MooringError
from mooring.evidence.evidence import RecordEvidence
from mooring.explain.facts import AttachmentFacts, NodeFacts, PvFacts
from mooring.explain.objects import ATTACHMENT_KIND, NODE, NODES, PV_KIND, Pv, VolumeAttachment
from mooring.kubernetes.api import KubernetesApi, NotFound, Request
from mooring.kubernetes.attachment_objects import NODE_ID
from mooring.kubernetes.list_watch import ResourceKind, T, decode, list_all
from mooring.kubernetes.node_objects import CSI_NODES, PlainNode
from mooring.kubernetes.pv_objects import access_modes, handle, is_readonly
from mooring.models import Skip, VolumeRecord, VolumeRef
from mooring.models.adoption import Finding
from mooring.records.annotations import read as read_record
from mooring.records.copies import merge

PAGE_SIZE: Final = 500

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
        pvs = await self._list(PV_KIND, lambda pv: self._claims(pv, part.placed))
        names = {pv.metadata.name for pv in pvs}
        part.pvs = tuple(self._pv(pv) for pv in pvs)
        known = names | self.before
        found = await _or_told(self._list(ATTACHMENT_KIND, lambda each: each.spec.source.persistent_volume_name in known), part)
        node_ids = await _or_told(self._node_ids(), part)
        part.attachments = None if found is None else tuple(_attachment(each, node_ids or {}) for each in found)
        own = [each for each in found or () if each.spec.source.persistent_volume_name in names]
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

    def _pv(self, pv: Pv) -> PvFacts:
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
        self, pvs: list[Pv], facts: tuple[PvFacts, ...], found: Iterable[VolumeAttachment], node_ids: Mapping[str, str]
    ) -> list[Finding]:
        """Judge the VolumeAttachments as a starting worker would; return no findings if the record can't be trusted."""
        records = [fact.record for fact in facts if fact.record is not None]
        if len(records) != len(pvs) or not pvs:
            return []
        modes = {shared_mode(access_modes(pv)) for pv in pvs}
        mode, readonly = modes.pop() if len(modes) == 1 else None, is_readonly(self.volume.driver, pvs[0])
        volume = Volume(self.volume.driver, self.volume.volume_handle, facts[0].name, merge(records), mode, readonly)
        attached = [self._attached(each, node_ids) for each in found if each.status.attached]
        return judge(volume, attached, await look_back(volume, attached, self.detachments))

    def _attached(self, each: VolumeAttachment, node_ids: Mapping[str, str]) -> Attached:
        return Attached(
            name=each.metadata.name,
            pv=each.spec.source.persistent_volume_name or "",
            node=each.spec.node_name,
            node_id=_node_id(each, node_ids),
            since=each.metadata.creation_timestamp or self.now(),
            context=each.status.attachment_metadata or {},
            leaving=each.metadata.deletion_timestamp is not None,
        )

    async def _node_ids(self) -> dict[str, str]:
        """Map the name of each Node to the driver's id for it."""
        nodes = await self._list(CSI_NODES, lambda node: node.spec.drivers is not None)
        own = ((node, each) for node in nodes for each in node.spec.drivers or () if each.name == self.volume.driver)
        return {node.metadata.name: each.node_id for node, each in own}

    async def _node(self, name: str, node_id: str, part: ClusterPart, node_ids: Mapping[str, str]) -> NodeFacts:
        request = Request(f"read Node {name}", "GET", f"{NODES}/{quote(name, safe='')}")
        try:
            node = decode(NODE, request, await self.api.request(request))
        except NotFound:
            guessed = name not in node_ids and all(each.node != name for each in part.attachments or ())
            return NodeFacts(name=name, node_id=node_id, exists=False, registered=name in node_ids, guessed=guessed)
        return NodeFacts(
            name=name,
            node_id=node_id,
            exists=True,
            ready=_ready(node),
            out_of_service=node.out_of_service,
            registered=name in node_ids,
        )

    async def _list(self, kind: ResourceKind[T], keep: Callable[[T], bool]) -> list[T]:
        return await list_all(self.api, kind, PAGE_SIZE, keep)


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
        node_id=_node_id(each, node_ids),
        attached=status.attached,
        since=meta.creation_timestamp,
        deleting_since=meta.deletion_timestamp,
        error=trouble.message if trouble else "",
    )


def _node_id(each: VolumeAttachment, node_ids: Mapping[str, str]) -> str | None:
    return node_ids.get(each.spec.node_name) or (each.metadata.annotations or {}).get(NODE_ID) or None


def _nodes_of(part: ClusterPart, node_ids: Mapping[str, str] | None) -> dict[str, str]:
    """Map the name of each Node to look at to its node id. Without the CSINodes, the Node of a holder is unknown."""
    wanted = {each.node: each.node_id or each.node for each in part.attachments or ()}
    names = {node_id: name for name, node_id in {**wanted, **(node_ids or {})}.items()}
    held = {held.node_id for pv in part.pvs if pv.record for held in pv.record.holders}
    known = {names.get(node_id, node_id): node_id for node_id in sorted(held) if node_ids is not None or node_id in names}
    return {**wanted, **known}


def _ready(node: PlainNode) -> str:
    return next((each.status for each in node.status.conditions or () if each.type == "Ready"), "")

"""The VolumeAttachments of one driver, and the sources of their nodes' ids and volumes: CSINodes, PVs. Read, never written.

Contract: all reads are live. A node id is the one that external-attacher uses: the CSINode's or, if it has none, the one that
the attacher noted on the VolumeAttachment.

Not kept here: conclusions from it (mooring/adoption/rules.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from mooring.kubernetes.api import KubernetesApi, NotFound, Request
from mooring.kubernetes.attachment_objects import NODE_ID, VOLUME_ATTACHMENTS, VolumeAttachment
from mooring.kubernetes.list_watch import ResourceKind, T, decode, list_all
from mooring.kubernetes.node_objects import CSI_NODES
from mooring.kubernetes.pv_objects import PV, PVS, access_modes, handle, is_readonly, untranslatable
from mooring.models import AccessMode, Skip, VolumeRecord
from mooring.records.annotations import read as read_record

RWX = "ReadWriteMany"
ROX = "ReadOnlyMany"
RWO = "ReadWriteOnce"


@dataclass(frozen=True, slots=True)
class Attached:
    """A VolumeAttachment. `node_id` is None if unknown; `leaving`: it is being deleted; `attached`: its status says so."""

    name: str
    pv: str
    node: str
    node_id: str | None
    since: datetime
    context: dict[str, str]
    leaving: bool = False
    attached: bool = True


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of the driver, by its PV. `access_mode` is None if only one node may have it, in whichever way."""

    driver: str
    handle: str
    pv: str
    record: VolumeRecord
    access_mode: AccessMode | None = None
    readonly: bool = False


class VolumeAttachments(Protocol):
    """The attachments of one driver's volumes in a cluster."""

    async def attached(self) -> list[Attached]:
        """Return every VolumeAttachment that is attached.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

        """

    async def listed(self) -> list[Attached] | None:
        """Return every VolumeAttachment, attached or not, or None if adoption is off; raise as `attached` does."""

    async def noted(self) -> Mapping[str, Collection[str]]:
        """Return the names of the Nodes that external-attacher has noted to go by each node id; raise as `attached` does."""

    async def volume(self, pv: str) -> Volume | None:
        """Return the volume of the PV with this name, or None if it is none of this driver.

        Raises:
            MalformedRecord: its record can't be read.
            UntranslatableVolume: it has an in-tree source that the driver serves, and no handle can be made of it.
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

        """

    async def node_id(self, node: str) -> str | None:
        """Return the driver's id for the node with this name, or None if no CSINode has one; raise as `attached` does."""


class NoAttachments:
    """The attachments without a cluster, or with adoption off: none."""

    async def attached(self) -> list[Attached]:
        """See `VolumeAttachments`."""
        return []

    async def listed(self) -> list[Attached] | None:
        """See `VolumeAttachments`."""
        return None

    async def noted(self) -> Mapping[str, Collection[str]]:
        """See `VolumeAttachments`."""
        return {}

    async def volume(self, pv: str) -> Volume | None:  # noqa: ARG002 - there is none of any name
        """See `VolumeAttachments`."""
        return None

    async def node_id(self, node: str) -> str | None:  # noqa: ARG002 - nobody says
        """See `VolumeAttachments`."""
        return None


@dataclass(frozen=True, slots=True)
class ClusterAttachments:
    """The VolumeAttachments on an API server. `now` is UTC."""

    api: KubernetesApi
    driver: str
    now: Callable[[], datetime]
    page_size: int = 500

    async def attached(self) -> list[Attached]:
        """See `VolumeAttachments`."""
        return await self._own(lambda each: each.status.attached)

    async def listed(self) -> list[Attached] | None:
        """See `VolumeAttachments`."""
        return await self._own(lambda _: True)

    async def noted(self) -> Mapping[str, Collection[str]]:
        """See `VolumeAttachments`."""
        found: dict[str, set[str]] = {}
        for each in await self._list(VOLUME_ATTACHMENTS, lambda each: each.spec.attacher == self.driver):
            node_id = (each.metadata.annotations or {}).get(NODE_ID)
            if node_id:
                found.setdefault(node_id, set()).add(each.spec.node_name)
        return found

    async def volume(self, pv: str) -> Volume | None:
        """See `VolumeAttachments`."""
        request = Request(f"read PersistentVolume {pv}", "GET", f"{PVS}/{quote(pv, safe='')}")
        try:
            named = decode(PV, request, await self.api.request(request))
        except NotFound:
            return None
        found, meta = handle(self.driver, named), named.metadata
        if isinstance(found, Skip):
            if (problem := untranslatable(self.driver, named)) is not None:
                raise problem
            return None
        record = read_record(self.driver, meta.name, meta.uid, meta.annotations, self.now()).record
        return Volume(self.driver, found, pv, record, shared_mode(access_modes(named)), is_readonly(self.driver, named))

    async def node_id(self, node: str) -> str | None:
        """See `VolumeAttachments`."""
        return (await self._node_ids()).get(node)

    async def _own(self, wanted: Callable[[VolumeAttachment], bool]) -> list[Attached]:
        own = await self._list(VOLUME_ATTACHMENTS, lambda each: each.spec.attacher == self.driver and wanted(each))
        node_ids = await self._node_ids() if own else {}
        found: list[Attached] = []
        for start in range(0, len(own), self.page_size):
            found += [self._attached(each, node_ids) for each in own[start : start + self.page_size]]
            await asyncio.sleep(0)
        return found

    async def _node_ids(self) -> dict[str, str]:
        """Map the name of each node to the driver's id for it."""
        nodes = await self._list(CSI_NODES, lambda node: node.spec.drivers is not None)
        own = ((node, each) for node in nodes for each in node.spec.drivers or () if each.name == self.driver)
        return {node.metadata.name: each.node_id for node, each in own}

    async def _list(self, kind: ResourceKind[T], keep: Callable[[T], bool]) -> list[T]:
        return await list_all(self.api, kind, self.page_size, keep)

    def _attached(self, each: VolumeAttachment, node_ids: dict[str, str]) -> Attached:
        meta, spec = each.metadata, each.spec
        return Attached(
            name=meta.name,
            pv=spec.source.persistent_volume_name or "",
            node=spec.node_name,
            node_id=node_ids.get(spec.node_name) or (meta.annotations or {}).get(NODE_ID) or None,
            since=meta.creation_timestamp or self.now(),
            context=each.status.attachment_metadata or {},
            leaving=meta.deletion_timestamp is not None,
            attached=each.status.attached,
        )


def shared_mode(access_modes: Sequence[str]) -> AccessMode | None:
    """Return the access mode in which several nodes may have a PV of these modes, as external-attacher derives it, or None."""
    if RWX in access_modes:
        return AccessMode.MULTI_NODE_MULTI_WRITER
    return AccessMode.MULTI_NODE_READER_ONLY if ROX in access_modes and RWO not in access_modes else None

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

from mooring.cluster.node_ids import read_node_ids
from mooring.kubernetes.api import KubernetesApi, NotFound, Request
from mooring.kubernetes.attachment_objects import VOLUME_ATTACHMENTS, VolumeAttachment
from mooring.kubernetes.list_watch import PAGE_SIZE, decode, list_all
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

    async def is_attached(self, name: str) -> bool:
        """Return whether the VolumeAttachment with this name is attached now; raise as `attached` does."""

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

    async def is_attached(self, name: str) -> bool:  # noqa: ARG002 - there is none of any name
        """See `VolumeAttachments`."""
        return False

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

    async def attached(self) -> list[Attached]:
        """See `VolumeAttachments`."""
        return await self._read(lambda each: each.status.attached)

    async def is_attached(self, name: str) -> bool:
        """See `VolumeAttachments`."""
        named = await list_all(self.api, VOLUME_ATTACHMENTS, selector={"fieldSelector": f"metadata.name={name}"})
        return any(each.spec.attacher == self.driver and each.status.attached for each in named)

    async def listed(self) -> list[Attached] | None:
        """See `VolumeAttachments`."""
        return await self._read(lambda _: True)

    async def noted(self) -> Mapping[str, Collection[str]]:
        """See `VolumeAttachments`."""
        found: dict[str, set[str]] = {}
        for each in await self._own(lambda each: bool(each.noted_node_id)):
            found.setdefault(each.noted_node_id, set()).add(each.spec.node_name)
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
        return (await read_node_ids(self.api, self.driver)).get(node)

    async def _own(self, wanted: Callable[[VolumeAttachment], bool]) -> list[VolumeAttachment]:
        return await list_all(self.api, VOLUME_ATTACHMENTS, lambda each: each.spec.attacher == self.driver and wanted(each))

    async def _read(self, wanted: Callable[[VolumeAttachment], bool]) -> list[Attached]:
        own = await self._own(wanted)
        node_ids = await read_node_ids(self.api, self.driver) if own else {}
        found: list[Attached] = []
        for start in range(0, len(own), PAGE_SIZE):
            found += [read_attached(each, node_ids, self.now()) for each in own[start : start + PAGE_SIZE]]
            await asyncio.sleep(0)
        return found


def node_id_of(each: VolumeAttachment, node_ids: Mapping[str, str]) -> str | None:
    """Return the driver's id for the node, or None if neither its registrations, by the Nodes' names, nor the attacher say it."""
    return node_ids.get(each.spec.node_name) or each.noted_node_id or None


def read_attached(each: VolumeAttachment, node_ids: Mapping[str, str], now: datetime) -> Attached:
    """Return the VolumeAttachment as it counts here; `node_ids` are the driver's, by the Nodes' names."""
    meta = each.metadata
    return Attached(
        name=meta.name,
        pv=each.pv,
        node=each.spec.node_name,
        node_id=node_id_of(each, node_ids),
        since=meta.creation_timestamp or now,
        context=each.status.attachment_metadata or {},
        leaving=meta.deletion_timestamp is not None,
        attached=each.status.attached,
    )


def shared_mode(access_modes: Sequence[str]) -> AccessMode | None:
    """Return the access mode in which several nodes may have a PV of these modes, as external-attacher derives it, or None."""
    if RWX in access_modes:
        return AccessMode.MULTI_NODE_MULTI_WRITER
    return AccessMode.MULTI_NODE_READER_ONLY if ROX in access_modes and RWO not in access_modes else None

"""The cluster as a test sees it: nodes, volumes and pods of one driver, made and unmade, and what has become of the attachments."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.harness.chain import objects
from tests.harness.chain.objects import Object
from tests.harness.kubernetes import Kubernetes
from tests.harness.patience import PATIENCE

GLANCE_SECONDS: Final = 0.1
AT_A_SECOND: Final = 200
"""Attachments that may come about in a second: the more are lacking, the less often is looked, for looking is work, too."""
AT_ONCE: Final = 32
MERGE_PATCH: Final = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume with a PV and a claim of one name."""

    name: str
    handle: str


Place = tuple[str, str]
"""The names of a PV and a node."""
Attachments = dict[Place, Object]
"""The status of each VolumeAttachment."""


@dataclass(frozen=True, slots=True)
class ChainCluster:
    """The objects of one test, whose names begin with `prefix`."""

    http: aiohttp.ClientSession
    driver: str
    prefix: str

    async def install(self) -> None:
        """Register the driver with the cluster."""
        await self.create(objects.CSI_DRIVERS, objects.csi_driver(self.driver))

    async def node(self, name: str, node_id: str = "") -> str:
        """Create a node on which the driver runs, under a node id that is not its name; return the node's name."""
        full = f"{self.prefix}-{name}"
        await self.create(objects.NODES, objects.node(full))
        await self.create(objects.CSI_NODES, objects.csi_node(full, **{self.driver: node_id or node_id_of(full)}))
        return full

    async def remove_node(self, node: str) -> None:
        """Have the node gone for good."""
        await self.delete(f"{objects.CSI_NODES}/{node}")
        await self.delete(f"{objects.NODES}/{node}")

    async def annotate_node(self, node: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a node."""
        await self._ask("PATCH", f"{objects.NODES}/{node}", {"metadata": {"annotations": dict(annotations)}}, MERGE_PATCH)

    async def take_out_of_service(self, node: str) -> None:
        """Taint the node as out of service, as an operator does."""
        taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
        await self._ask("PATCH", f"{objects.NODES}/{node}", {"spec": {"taints": [taint]}}, MERGE_PATCH)

    async def put_into_service(self, node: str) -> None:
        """Take all taints from the node."""
        await self._ask("PATCH", f"{objects.NODES}/{node}", {"spec": {"taints": None}}, MERGE_PATCH)

    async def volume(self, name: str = "data", handle: str = "") -> Volume:
        """Have a volume and a claim that is bound to it."""
        full = f"{self.prefix}-{name}"
        volume = Volume(full, handle or f"handle-{full}")
        claim = await self.create(objects.CLAIMS, objects.claim(full))
        await self.create(objects.PVS, objects.pv(full, self.driver, volume.handle, claim["metadata"]["uid"]))
        await self._ask("PATCH", f"{objects.CLAIMS}/{full}/status", objects.BOUND, MERGE_PATCH)
        return volume

    async def annotations(self, volume: Volume) -> Mapping[str, str]:
        """Return the annotations of the volume's PV."""
        metadata = (await self._ask("GET", f"{objects.PVS}/{volume.name}"))["metadata"]
        return metadata.get("annotations") or {}

    async def pod(self, node: str, volume: Volume) -> str:
        """Create a pod on the node that uses the volume; return its name."""
        name = self.pod_name(node, volume)
        await self.create(objects.PODS, objects.pod(name, node, volume.name))
        return name

    def pod_name(self, node: str, volume: Volume) -> str:
        """Return the name of the pod on the node that uses the volume."""
        return f"{volume.name}-on-{node}"

    async def delete_pod(self, name: str) -> None:
        """Delete a pod at once, as a kubelet does when it has ended."""
        await self.delete(f"{objects.PODS}/{name}?gracePeriodSeconds=0")

    async def attach_by_hand(self, volume: Volume, node: str) -> None:
        """Ask for an attachment without regard to others, as the attach/detach controller does after it lost its memory."""
        await self.create(objects.VOLUME_ATTACHMENTS, objects.volume_attachment(self.driver, volume.handle, volume.name, node))

    async def taken_up(self, volume: Volume, node: str) -> None:
        """Wait until the attacher is about to attach the volume: it marks the VolumeAttachment first."""
        path = f"{objects.VOLUME_ATTACHMENTS}/{objects.attachment_name(self.driver, volume.handle, node)}"
        async with asyncio.timeout(PATIENCE):
            while not (await self._ask("GET", path))["metadata"].get("finalizers"):
                await asyncio.sleep(GLANCE_SECONDS)

    async def detach_by_hand(self, volume: Volume, node: str) -> None:
        """Ask for the end of it."""
        await self.delete(f"{objects.VOLUME_ATTACHMENTS}/{objects.attachment_name(self.driver, volume.handle, node)}")

    async def attached(self, volume: Volume, node: str) -> Mapping[str, str]:
        """Wait until the attachment is reported; return its metadata."""
        found = await self.all_attached({volume: node})
        metadata: Mapping[str, str] = found[volume.name, node].get("attachmentMetadata", {})
        return metadata

    async def all_attached(self, places: Mapping[Volume, str], seconds: float = PATIENCE) -> Attachments:
        """Wait until all these volumes are reported as attached to these nodes; return every attachment that there is then."""

        def lacking(found: Attachments) -> list[Place]:
            return [place for place in _names(places) if not found.get(place, {}).get("attached")]

        return await self._until(lacking, seconds)

    async def known(self, volume: Volume, node: str) -> None:
        """Wait until the attach/detach controller knows of the attachment and that the node doesn't use it, as its kubelet reports.

        NB: a volume that it does not know to be unused remains attached for six minutes after its pod is gone.
        """
        unique = f"kubernetes.io/csi/{self.driver}^{volume.handle}"
        async with asyncio.timeout(PATIENCE):
            while unique not in await self._reported(node):
                await asyncio.sleep(GLANCE_SECONDS)

    async def _reported(self, node: str) -> set[str]:
        status = (await self._ask("GET", f"{objects.NODES}/{node}"))["status"]
        return {each["name"] for each in status.get("volumesAttached", ())}

    async def detached(self, volume: Volume, node: str) -> None:
        """Wait until there is no such attachment."""
        await self.all_detached({volume: node})

    async def all_detached(self, places: Mapping[Volume, str], seconds: float = PATIENCE) -> None:
        """Wait until there is none of these attachments."""
        await self._until(lambda found: [place for place in _names(places) if place in found], seconds)

    async def _until(self, lacking: Callable[[Attachments], list[Place]], seconds: float) -> Attachments:
        found: Attachments = {}
        try:
            async with asyncio.timeout(seconds):
                while late := lacking(found := await self.attachments()):
                    await asyncio.sleep(GLANCE_SECONDS + len(late) / AT_A_SECOND)
        except TimeoutError:
            are = {place: found.get(place) for place in lacking(found)}
            raise AssertionError(f"Not after {seconds:g} s; {len(are)} attachments are still: {str(are)[:2000]}") from None
        return found

    async def attachments(self) -> Attachments:
        """Return the VolumeAttachments of this driver: PV and node -> status."""
        listed = await self._ask("GET", objects.VOLUME_ATTACHMENTS)
        return {
            (item["spec"]["source"]["persistentVolumeName"], item["spec"]["nodeName"]): item.get("status", {})
            for item in listed["items"]
            if item["spec"]["attacher"] == self.driver
        }

    async def create(self, path: str, body: Object) -> Object:
        """Create an object; return it as the API server made it."""
        return await self._ask("POST", path, body)

    async def delete(self, path: str) -> None:
        """Delete an object."""
        await self._ask("DELETE", path)

    async def _ask(self, method: str, path: str, body: Any = None, media_type: str = "application/json") -> Object:
        headers = {"Content-Type": media_type} if body is not None else {}
        async with self.http.request(method, path, json=body, headers=headers) as answer:
            found: Object = await answer.json()
            assert answer.ok, f"{method} {path}: {found}"
            return found


@asynccontextmanager
async def chain_cluster(kubernetes: Kubernetes, driver: str) -> AsyncIterator[ChainCluster]:
    """Yield the cluster with all rights on it, and names that nobody else has."""
    server = kubernetes.admin
    connector = aiohttp.TCPConnector(ssl=server.ssl(), limit=AT_ONCE)
    async with aiohttp.ClientSession(server.url, connector=connector, headers=server.headers()) as http:
        yield ChainCluster(http, driver, f"t{uuid.uuid4().hex[:8]}")


def node_id_of(node: str) -> str:
    """Return the driver's id for a node."""
    return f"id-of-{node}"


def _names(places: Mapping[Volume, str]) -> list[Place]:
    return [(volume.name, node) for volume, node in places.items()]

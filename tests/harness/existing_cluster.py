"""A cluster that is older than its Mooring: nodes, volumes, and VolumeAttachments as external-attacher writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from tests.harness.cluster import Cluster

CSI_NODES: Final = "/apis/storage.k8s.io/v1/csinodes"
VOLUME_ATTACHMENTS: Final = "/apis/storage.k8s.io/v1/volumeattachments"
MERGE_PATCH: Final = "application/merge-patch+json"
CONTEXT: Final = {"device": "/dev/sdx"}


@dataclass(frozen=True, slots=True)
class ExistingCluster:
    """One driver's part of the cluster. `real`: its API server has a status subresource, finalizers and graceful deletion."""

    cluster: Cluster
    real: bool
    known: set[str] = field(default_factory=set)

    def name(self, node_id: str) -> str:
        """Return the name of the node that has this id with the driver."""
        return f"{node_id}-{self.cluster.driver.split('.')[0]}"

    async def register(self, node_id: str) -> None:
        """Have the driver run on a node, under this id."""
        self.known.add(node_id)
        spec = {"drivers": [{"name": self.cluster.driver, "nodeID": node_id, "topologyKeys": None}]}
        await self.cluster.ask("POST", CSI_NODES, _object("CSINode", self.name(node_id), spec))

    async def attach(
        self, handle: str, node_id: str, *, known: bool = True, attached: bool = True, noted: str = "", pv: str = ""
    ) -> str:
        """Attach the volume to the node; return the VolumeAttachment's name.

        `known`: a CSINode gives the node's id; `noted`: the attacher has noted it, too. `pv`: the PV's name, if another.
        """
        if known and node_id not in self.known:
            await self.register(node_id)
        name = f"csi-{handle}-{self.name(node_id)}"
        source = {"persistentVolumeName": pv or self.cluster.pv(handle)}
        spec = {"attacher": self.cluster.driver, "nodeName": self.name(node_id), "source": source}
        body = _object("VolumeAttachment", name, spec)
        body["metadata"]["finalizers"] = ["external-attacher/test"]
        body["metadata"]["annotations"] = {"csi.alpha.kubernetes.io/node-id": noted} if noted else {}
        await self.cluster.ask("POST", VOLUME_ATTACHMENTS, body)
        status = {"status": {"attached": attached, **({"attachmentMetadata": CONTEXT} if attached else {})}}
        await self.cluster.ask("PATCH", self._path(name) + ("/status" if self.real else ""), status, MERGE_PATCH)
        return name

    async def leave(self, name: str) -> None:
        """Have the VolumeAttachment being deleted: the attacher has not detached yet."""
        if self.real:
            await self.cluster.ask("DELETE", self._path(name))
            return
        leaving = {"metadata": {"deletionTimestamp": "2026-01-31T05:00:00Z"}}
        await self.cluster.ask("PATCH", self._path(name), leaving, MERGE_PATCH)

    async def remove(self, name: str) -> None:
        """Have the VolumeAttachment gone: the attacher has detached."""
        await self.cluster.ask("PATCH", self._path(name), {"metadata": {"finalizers": None}}, MERGE_PATCH)
        await self.cluster.ask("DELETE", self._path(name))

    async def since(self, name: str) -> str:
        """Return when the VolumeAttachment was created."""
        found: str = (await self.cluster.ask("GET", self._path(name)))["metadata"]["creationTimestamp"]
        return found

    def _path(self, name: str) -> str:
        return f"{VOLUME_ATTACHMENTS}/{name}"


def _object(kind: str, name: str, spec: Any) -> dict[str, Any]:
    return {"apiVersion": "storage.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}

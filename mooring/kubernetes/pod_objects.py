"""The Pod as the API server sends it: of its fields those that name its PersistentVolumeClaims, of a worker's its containers."""

from __future__ import annotations

from typing import Final

import msgspec

from mooring.kubernetes.list_watch import Listed
from mooring.kubernetes.metadata import Metadata


class ClaimSource(msgspec.Struct, rename="camel"):
    """A volume of a Pod that is a PersistentVolumeClaim."""

    claim_name: str = ""


class EphemeralSource(msgspec.Struct):
    """A volume of a Pod that has a PersistentVolumeClaim of its own, of which only the existence matters."""


class PodVolume(msgspec.Struct, rename="camel"):
    """A volume of a Pod."""

    name: str = ""
    persistent_volume_claim: ClaimSource | None = None
    ephemeral: EphemeralSource | None = None


class PodSpec(msgspec.Struct):
    """The spec of a Pod."""

    volumes: list[PodVolume] | None = None


class Pod(msgspec.Struct):
    """A Pod."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)

    @property
    def claims(self) -> list[str]:
        """The names of its PersistentVolumeClaims, those that Kubernetes makes for it included."""
        found: list[str] = []
        for volume in self.spec.volumes or ():
            if volume.persistent_volume_claim is not None:
                found.append(volume.persistent_volume_claim.claim_name)
            elif volume.ephemeral is not None:
                found.append(f"{self.metadata.name}-{volume.name}")
        return found


class ContainerVariable(msgspec.Struct):
    """A variable of a container; `value` is "" where it comes from elsewhere."""

    name: str = ""
    value: str = ""


class ContainerPort(msgspec.Struct, rename="camel"):
    """A port of a container."""

    name: str = ""
    container_port: int = 0


class Container(msgspec.Struct):
    """A container of a Pod."""

    name: str = ""
    image: str = ""
    env: list[ContainerVariable] | None = None
    ports: list[ContainerPort] | None = None


class ContainerStatus(msgspec.Struct, rename="camel"):
    """The state of a container."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0


class WorkerPodMetadata(Metadata):
    """A Pod's metadata, with its namespace."""

    namespace: str = ""


class WorkerPodSpec(msgspec.Struct):
    """The spec of a Pod, of which the containers."""

    containers: list[Container] = msgspec.field(default_factory=list)


class WorkerPodStatus(msgspec.Struct, rename="camel"):
    """The status of a Pod."""

    phase: str = ""
    container_statuses: list[ContainerStatus] | None = None


class WorkerPod(msgspec.Struct):
    """A Pod, of which the containers."""

    metadata: WorkerPodMetadata = msgspec.field(default_factory=WorkerPodMetadata)
    spec: WorkerPodSpec = msgspec.field(default_factory=WorkerPodSpec)
    status: WorkerPodStatus = msgspec.field(default_factory=WorkerPodStatus)

    @property
    def statuses(self) -> list[ContainerStatus]:
        """The states of its containers."""
        return self.status.container_statuses or []


WORKER_PODS: Final = msgspec.json.Decoder(Listed[WorkerPod])
POD: Final = msgspec.json.Decoder(Pod)

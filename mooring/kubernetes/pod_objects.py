"""The Pod as the API server sends it, of its fields those that name its PersistentVolumeClaims."""

from __future__ import annotations

from typing import Final

import msgspec

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


POD: Final = msgspec.json.Decoder(Pod)

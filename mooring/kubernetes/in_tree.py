"""PVs with an in-tree source that a CSI driver serves (Kubernetes' CSI migration), and the volume handle that they have for it.

Contract: a handle is the one by which external-attacher publishes the volume, as k8s.io/csi-translation-lib makes it, whether or
not the PV bears `pv.kubernetes.io/migrated-to`. A source without one is `Untranslatable`, with the reason; the attacher can't
attach that either.

NB: labels, annotations and the claim are part of some handles and may change, so the handle of such a PV may change while it lives.

Not kept here: the decoding of PVs (pv_objects.py, protobuf.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final, Protocol, cast
from urllib.parse import unquote

import msgspec

UNSPECIFIED: Final = "UNSPECIFIED"
"""Placeholder in the handle of a GCE disk for a project or a zone that the PV doesn't specify."""
GCE: Final = "pd.csi.storage.gke.io"
ZONE_LABELS: Final = ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone")
BETWEEN_ZONES: Final = "__"
RESOURCE_GROUP: Final = "kubernetes.io/azure-file-resource-group"
_AWS: Final = re.compile(r"aws://[^/?#]*(?:/([^?#]*))?(?:[?#].*)?")
_AWS_VOLUME: Final = re.compile(r"vol-[^/]*")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_AZURE_SECRET: Final = re.compile(r"azure-storage-account-(.+)-secret")
_GCE_DISK: Final = re.compile(r"projects/([^/]*)/(zones|regions)/([^/]*)/disks/([^/]*)")
_GCE_NODE: Final = re.compile(r"projects/([^/]*)/zones/([^/]*)/.*")


class Untranslatable(Exception):
    """The PV's source has no handle for its driver; the message is the reason."""


class About(msgspec.Struct, gc=False):
    """Other parts of a PV that its handle may need. `claim_namespace`: of the claim that it is bound to, "" for none."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    claim_namespace: str


class Source(Protocol):
    """An in-tree source."""

    @property
    def read_only(self) -> bool | None:
        """True if the volume is to be attached readonly."""

    def handle(self, about: About) -> str:
        """Return the volume handle, "" or `Untranslatable` if there is none."""


class AwsDisk(msgspec.Struct, rename="camel", gc=False):
    """The source `awsElasticBlockStore`: `aws://ZONE/ID`, or the id alone."""

    volume_id: str = msgspec.field(default="", name="volumeID")
    read_only: bool = False

    def handle(self, about: About) -> str:  # noqa: ARG002 - the source says it all
        """See `Source`."""
        if not self.volume_id.startswith("aws://"):
            return self.volume_id
        url = None if _CONTROL.search(self.volume_id) else _AWS.fullmatch(self.volume_id)
        path = (url[1] or "") if url else ""
        volume = "" if _BROKEN_ESCAPE.search(path) else unquote(path).strip("/")
        if not _AWS_VOLUME.fullmatch(volume):
            raise Untranslatable(f"its volumeID {self.volume_id!r} ends in no id of an EBS volume")
        return volume


class GceDisk(msgspec.Struct, rename="camel", gc=False):
    """The source `gcePersistentDisk`: zonal if the PV's label names one zone, regional if several."""

    pd_name: str = ""
    read_only: bool = False

    def handle(self, about: About) -> str:
        """See `Source`."""
        label = next((found for name in ZONE_LABELS if (found := about.labels.get(name))), "")
        zones = label.split(BETWEEN_ZONES)
        place = f"zones/{label or UNSPECIFIED}" if len(zones) == 1 else f"regions/{_region(zones)}"
        return f"projects/{UNSPECIFIED}/{place}/disks/{self.pd_name}"


class AzureDisk(msgspec.Struct, rename="camel", gc=False):
    """The source `azureDisk`, of which the driver serves managed ones."""

    disk_uri: str = msgspec.field(default="", name="diskURI")
    kind: str | None = None
    read_only: bool | None = None

    def handle(self, about: About) -> str:  # noqa: ARG002 - the source says it all
        """See `Source`."""
        if self.kind is not None and self.kind.lower() != "managed":
            raise Untranslatable(f"the kind of its disk is {self.kind!r}, and the driver serves only managed disks")
        return self.disk_uri


class AzureFile(msgspec.Struct, rename="camel", gc=False):
    """The source `azureFile`: its handle has five parts, of which the resource group may be empty."""

    secret_name: str = ""
    share_name: str = ""
    secret_namespace: str | None = None
    read_only: bool = False

    def handle(self, about: About) -> str:
        """See `Source`."""
        namespace = about.claim_namespace if self.secret_namespace is None else self.secret_namespace
        if not namespace:
            raise Untranslatable("it has neither a secretNamespace nor a claim, and the namespace is part of the handle")
        account = _AZURE_SECRET.search(self.secret_name)
        group = about.annotations.get(RESOURCE_GROUP, "")
        return "#".join((group, account[1] if account else self.secret_name, self.share_name, about.name, namespace))


class VsphereDisk(msgspec.Struct, rename="camel", gc=False):
    """The source `vsphereVolume`, which external-attacher never asks for readonly."""

    volume_path: str = ""

    @property
    def read_only(self) -> bool:
        """See `Source`."""
        return False

    def handle(self, about: About) -> str:  # noqa: ARG002 - the source says it all
        """See `Source`."""
        return self.volume_path


class CinderDisk(msgspec.Struct, rename="camel", gc=False):
    """The source `cinder`."""

    volume_id: str = msgspec.field(default="", name="volumeID")
    read_only: bool = False

    def handle(self, about: About) -> str:  # noqa: ARG002 - the source says it all
        """See `Source`."""
        return self.volume_id


class Sources(msgspec.Struct, rename="camel", gc=False):
    """The in-tree sources that CSI drivers serve; a PV has one source at most."""

    aws_elastic_block_store: AwsDisk | None = None
    gce_persistent_disk: GceDisk | None = None
    azure_disk: AzureDisk | None = None
    azure_file: AzureFile | None = None
    vsphere_volume: VsphereDisk | None = None
    cinder: CinderDisk | None = None


FIELDS: Final[Mapping[str, str]] = {
    "ebs.csi.aws.com": "aws_elastic_block_store",
    GCE: "gce_persistent_disk",
    "disk.csi.azure.com": "azure_disk",
    "file.csi.azure.com": "azure_file",
    "csi.vsphere.vmware.com": "vsphere_volume",
    "cinder.csi.openstack.org": "cinder",
}
"""CSI driver -> the field of `Sources` that it serves."""


def source(driver: str, sources: Sources) -> Source | None:
    """Return the in-tree source that the driver serves, or None if the PV has none."""
    field = FIELDS.get(driver)
    return None if field is None else cast("Source | None", getattr(sources, field))


def translate(given: Source, about: About) -> str:
    """Return the volume handle of a PV with this source.

    Raises:
        Untranslatable: it has none.

    """
    handle = given.handle(about)
    if not handle:
        raise Untranslatable("its source names no volume")
    return handle


def gce_access_modes(modes: Sequence[str]) -> list[str]:
    """Return the access modes of a GCE disk's PV as its driver knows them: a disk that isn't readonly is for one node."""
    return (
        ["ReadOnlyMany"] if "ReadOnlyMany" in modes and not {"ReadWriteOnce", "ReadWriteMany"} & set(modes) else ["ReadWriteOnce"]
    )


def repaired(handle: str, node_id: str) -> str:
    """Return the driver's handle of a GCE disk: project and zone are the node's where the handle doesn't specify them."""
    disk, node = _GCE_DISK.fullmatch(handle), _GCE_NODE.fullmatch(node_id)
    if disk is None or node is None or disk[1] != UNSPECIFIED:
        return handle
    zone = node[2] if disk[3] == UNSPECIFIED else disk[3]
    return f"projects/{node[1]}/{disk[2]}/{zone}/disks/{disk[4]}"


def underspecified(handles: Iterable[str]) -> list[str]:
    """Return those of the handles that are GCE disks' and don't specify their project."""
    return [handle for handle in handles if handle.startswith(f"projects/{UNSPECIFIED}/")]


def perhaps_one(handles: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of different handles that may be of one GCE disk, as one of them doesn't specify project or zone."""
    by_disk: dict[str, list[tuple[str, str, str, str]]] = {}
    for handle in handles:
        found = _GCE_DISK.fullmatch(handle)
        if found is not None:
            by_disk.setdefault(found[4], []).append((handle, found[1], found[2], found[3]))
    pairs = [pair for disks in by_disk.values() for pair in combinations(sorted(set(disks)), 2)]
    return [
        (one, other)
        for (one, *place), (other, *elsewhere) in pairs
        if all(here == there or UNSPECIFIED in (here, there) for here, there in zip(place, elsewhere, strict=True))
    ]


def handles(driver: str, listed: str, node_id: str) -> list[str]:
    """Return the handles that PVs may have of a volume that its driver lists, by this name and on this node."""
    return [handle for handle in _named(driver, listed) if handle == listed or repaired(handle, node_id) == listed]


def _named(driver: str, listed: str) -> tuple[str, ...]:
    disk = _GCE_DISK.fullmatch(listed) if driver == GCE else None
    if disk is None:
        return (listed,)
    places = (disk[3], UNSPECIFIED) if disk[2] == "zones" else (disk[3],)
    return (listed, *(f"projects/{UNSPECIFIED}/{disk[2]}/{place}/disks/{disk[4]}" for place in places))


def _region(zones: list[str]) -> str:
    regions = {zone.rsplit("-", 1)[0] for zone in zones if zone.count("-") == 2}
    if len(regions) != 1 or any(zone.count("-") != 2 for zone in zones):
        raise Untranslatable(f"its label names the zones {', '.join(zones)}, which are not of one region")
    return regions.pop()

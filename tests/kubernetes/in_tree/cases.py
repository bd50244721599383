"""PVs with an in-tree source of each kind that a CSI driver serves, and what external-attacher makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BETA = "failure-domain.beta.kubernetes.io/zone"
ZONE = "topology.kubernetes.io/zone"
GROUP = "kubernetes.io/azure-file-resource-group"
AWS, GCE = "ebs.csi.aws.com", "pd.csi.storage.gke.io"
AZURE_DISK, AZURE_FILE = "disk.csi.azure.com", "file.csi.azure.com"
VSPHERE, CINDER = "csi.vsphere.vmware.com", "cinder.csi.openstack.org"
DISK_URI = "/subscriptions/0f8fad5b/resourceGroups/MC_prod/providers/Microsoft.Compute/disks/kubernetes-dynamic-pvc-1"

BLOB_URI = "https://account.blob.core.windows.net/vhds/disk.vhd"


@dataclass(frozen=True, slots=True)
class Case:
    """A PV, and the handle that it has for the driver; "" where it can't be translated."""

    driver: str
    source: Mapping[str, Any]
    handle: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""

    def pv(self, name: str) -> dict[str, Any]:
        """Return the PV as it is given to an API server."""
        claim = (
            {"claimRef": {"kind": "PersistentVolumeClaim", "namespace": self.namespace, "name": "claim"}} if self.namespace else {}
        )
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": dict(self.labels), "annotations": dict(self.annotations)},
            "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, **self.source, **claim},
        }


def aws(volume: str, handle: str) -> Case:
    return Case(AWS, {"awsElasticBlockStore": {"volumeID": volume}}, handle)


def gce(handle: str, **labels: str) -> Case:
    names = {"beta": BETA, "zone": ZONE}
    return Case(GCE, {"gcePersistentDisk": {"pdName": "disk"}}, handle, {names[name]: zones for name, zones in labels.items()})


def azure_file(handle: str, account: str = "azure-storage-account-acc-secret", **source: str) -> Case:
    return Case(AZURE_FILE, {"azureFile": {"secretName": account, "shareName": "share", **source}}, handle)


CASES = (
    aws("vol-0a1", "vol-0a1"),
    aws("aws://us-east-1a/vol-0a1", "vol-0a1"),
    aws("aws:///vol-0a1", "vol-0a1"),
    aws("aws://us-east-1a//vol-0a1/", "vol-0a1"),
    aws("aws://us-east-1a/vol%2D0a1", "vol-0a1"),
    aws("aws://us-east-1a/vol-0a1?x=y#z", "vol-0a1"),
    aws("any thing", "any thing"),
    aws("aws://us-east-1a/vol-%zz", ""),
    aws("aws://us-east-1a/vol-0a1/more", ""),
    aws("aws://us-east-1a", ""),
    aws("aws://us-east-1a/disk", ""),
    aws("aws://us-east-1a/vol-0a1\n", ""),
    gce("projects/UNSPECIFIED/zones/us-central1-a/disks/disk", zone="us-central1-a"),
    gce("projects/UNSPECIFIED/zones/us-central1-a/disks/disk", beta="us-central1-a", zone="us-central1-b"),
    gce("projects/UNSPECIFIED/zones/us-central1-b/disks/disk", beta="", zone="us-central1-b"),
    gce("projects/UNSPECIFIED/regions/us-central1/disks/disk", zone="us-central1-a__us-central1-c"),
    gce("projects/UNSPECIFIED/zones/UNSPECIFIED/disks/disk"),
    gce("projects/UNSPECIFIED/zones/UNSPECIFIED/disks/disk", zone=""),
    gce("", zone="us-central1-a__europe-west1-b"),
    gce("", zone="us-central1-a__here"),
    Case(AZURE_DISK, {"azureDisk": {"diskName": "d", "diskURI": DISK_URI, "kind": "Managed"}}, DISK_URI),
    Case(AZURE_DISK, {"azureDisk": {"diskName": "d", "diskURI": BLOB_URI, "kind": "Shared"}}, ""),
    Case(AZURE_DISK, {"azureDisk": {"diskName": "d", "diskURI": BLOB_URI, "kind": "Dedicated"}}, ""),
    azure_file("#acc#share#{pv}#team", secretNamespace="team"),
    azure_file("#other#share#{pv}#team", account="other", secretNamespace="team"),
    azure_file("", account="other"),
    Case(
        AZURE_FILE,
        {"azureFile": {"secretName": "azure-storage-account-acc-secret", "shareName": "share"}},
        "rg#acc#share#{pv}#claimed",
        annotations={GROUP: "rg"},
        namespace="claimed",
    ),
    Case(VSPHERE, {"vsphereVolume": {"volumePath": "[datastore1] kubevols/disk.vmdk"}}, "[datastore1] kubevols/disk.vmdk"),
    Case(CINDER, {"cinder": {"volumeID": "bd82f7e2-wece-4c01-a505-4acf60b07f4a"}}, "bd82f7e2-wece-4c01-a505-4acf60b07f4a"),
)

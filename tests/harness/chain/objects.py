"""The objects with which a Pod on a node needs a volume attached: the least that the controllers look at."""

from __future__ import annotations

import hashlib
from typing import Any, Final

Object = dict[str, Any]

CSI_DRIVERS: Final = "/apis/storage.k8s.io/v1/csidrivers"
CSI_NODES: Final = "/apis/storage.k8s.io/v1/csinodes"
NODES: Final = "/api/v1/nodes"
PVS: Final = "/api/v1/persistentvolumes"
CLAIMS: Final = "/api/v1/namespaces/default/persistentvolumeclaims"
PODS: Final = "/api/v1/namespaces/default/pods"
VOLUME_ATTACHMENTS: Final = "/apis/storage.k8s.io/v1/volumeattachments"
MODES: Final = ["ReadWriteOnce"]
SIZE: Final = {"storage": "1Gi"}


def csi_driver(name: str) -> Object:
    """Return a driver whose volumes are attached."""
    return {**_object("storage.k8s.io/v1", "CSIDriver", name), "spec": {"attachRequired": True}}


def node(name: str) -> Object:
    """Return a node whose volumes the attach/detach controller attaches."""
    managed = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    return _object("v1", "Node", name, annotations=managed)


def csi_node(name: str, **node_ids: str) -> Object:
    """Return the CSINode of a node: the names of the drivers that run on it -> their ids for it."""
    drivers = [{"name": driver, "nodeID": node_id} for driver, node_id in node_ids.items()]
    return {**_object("storage.k8s.io/v1", "CSINode", name), "spec": {"drivers": drivers}}


def pv(name: str, driver: str, handle: str, claim_uid: str) -> Object:
    """Return the volume, bound to the claim of the same name."""
    claim = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": name, "uid": claim_uid}
    csi = {"driver": driver, "volumeHandle": handle}
    return {
        **_object("v1", "PersistentVolume", name),
        "spec": {"accessModes": MODES, "capacity": SIZE, "claimRef": claim, "csi": csi},
    }


def claim(name: str) -> Object:
    """Return the claim of the volume of the same name; its status is bound only once `BOUND` is merged into it."""
    resources = {"requests": SIZE}
    return {
        **_object("v1", "PersistentVolumeClaim", name),
        "spec": {"accessModes": MODES, "resources": resources, "volumeName": name, "storageClassName": ""},
    }


BOUND: Final = {"status": {"phase": "Bound", "accessModes": MODES, "capacity": SIZE}}


def pod(name: str, node_name: str, claim_name: str) -> Object:
    """Return a Pod on the node that mounts the claim's volume."""
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}
    container = {"name": "app", "image": "none"}
    return {**_object("v1", "Pod", name), "spec": {"nodeName": node_name, "containers": [container], "volumes": [volume]}}


def volume_attachment(driver: str, handle: str, pv_name: str, node_name: str) -> Object:
    """Return the VolumeAttachment that the attach/detach controller creates."""
    source = {"persistentVolumeName": pv_name}
    return {
        **_object("storage.k8s.io/v1", "VolumeAttachment", attachment_name(driver, handle, node_name)),
        "spec": {"attacher": driver, "nodeName": node_name, "source": source},
    }


def attachment_name(driver: str, handle: str, node_name: str) -> str:
    """Return the name that the attach/detach controller gives a VolumeAttachment."""
    return f"csi-{hashlib.sha256(f'{handle}{driver}{node_name}'.encode()).hexdigest()}"


def _object(version: str, kind: str, name: str, **metadata: object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}}

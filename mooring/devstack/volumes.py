"""PersistentVolumes to try Mooring on: numbered, each a CSI volume of one driver, attached nowhere yet. Nodes, on which it runs."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import aiohttp

from mooring.devstack.kubernetes import ApiServer
from mooring.devstack.process import StackError

PVS: Final = "/api/v1/persistentvolumes"
PATHS: Final = {"PersistentVolume": PVS, "Node": "/api/v1/nodes", "CSINode": "/apis/storage.k8s.io/v1/csinodes"}
AT_ONCE: Final = 32


def volume_handle(number: int) -> str:
    """Return the handle of the volume with this number."""
    return f"vol-{number:04}"


def pv_name(number: int) -> str:
    """Return the name of its PV."""
    return f"pv-{number:04}"


def pv(number: int, driver: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the PV as an object of the Kubernetes API."""
    metadata: dict[str, Any] = {"name": pv_name(number)}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": metadata | ({"annotations": annotations} if annotations else {}),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": {"driver": driver, "volumeHandle": volume_handle(number)},
        },
        "status": {"phase": "Available"},
    }


def node_objects(number: int, driver: str) -> list[dict[str, Any]]:
    """Return the Node `worker-N` and its CSINode, by which the driver knows it as `node-N`."""
    metadata = {"name": f"worker-{number}"}
    registered = {"drivers": [{"name": driver, "nodeID": f"node-{number}", "topologyKeys": None}]}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return [
        {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}, "status": ready},
        {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": metadata, "spec": registered},
    ]


async def create_all(server: ApiServer, objects: Iterable[dict[str, Any]]) -> None:
    """Create PVs, Nodes and CSINodes; raise `StackError` if the server refuses one."""
    connector = aiohttp.TCPConnector(ssl=server.ssl(), limit=AT_ONCE)
    session = aiohttp.ClientSession(server.url, connector=connector, headers=server.headers())
    async with session, asyncio.TaskGroup() as group:
        for body in objects:
            group.create_task(_create(session, body))


async def _create(session: aiohttp.ClientSession, body: dict[str, Any]) -> None:
    async with session.post(PATHS[body["kind"]], json=body) as answer:
        if answer.status != 201:
            name = body["metadata"]["name"]
            raise StackError(f"{body['kind']} {name} can't be created: {answer.status} {await answer.text()}")

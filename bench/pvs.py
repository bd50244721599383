"""PVs as a cluster has them.

A PV is what csi-provisioner makes and a PVC is bound to: about 2.7 KB as the API server sends it. Every third is attached, with the
annotations that Mooring writes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import aiohttp
import msgspec

from mooring.devstack.kubernetes import ApiServer
from mooring.records.keys import Keys

DRIVER: Final = "csi.bench.example.com"
KEYS: Final = Keys.of(DRIVER)
PVS: Final = "/api/v1/persistentvolumes"
AT_ONCE: Final = 64


def uuid(seed: object) -> str:
    """Make a UUID, the same for the same seed."""
    return str(UUID(int=random.Random(str(seed)).getrandbits(128), version=4))  # noqa: S311 - the same data in every run


def name(number: int) -> str:
    """Return the name of the PV with this number."""
    return f"pvc-{uuid(number)}"


def pv(number: int) -> dict[str, Any]:
    """Return the PV with this number."""
    attached = record(number, epoch=1 + number % 9) if number % 3 == 0 else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name(number),
            "annotations": {
                "pv.kubernetes.io/provisioned-by": DRIVER,
                "volume.kubernetes.io/provisioner-deletion-secret-name": "storage-credentials",
                "volume.kubernetes.io/provisioner-deletion-secret-namespace": "storage-system",
                **attached,
            },
            "finalizers": ["external-provisioner.volume.kubernetes.io/finalizer", f"external-attacher/{DRIVER.replace('.', '-')}"],
            "labels": {
                "topology.kubernetes.io/region": "eu-central-1",
                "topology.kubernetes.io/zone": f"eu-central-1{'abc'[number % 3]}",
            },
        },
        "spec": _spec(number),
    }


def record(number: int, epoch: int) -> dict[str, str]:
    """Return the annotations of an attachment of this PV, as Mooring writes them."""
    return {
        KEYS.node: f"ip-10-0-{number % 4}-{number % 200}.eu-central-1.compute.internal",
        KEYS.at: f"2026-01-31T04:00:41.{number % 1_000_000:06}Z",
        KEYS.epoch: str(epoch),
        KEYS.operation: uuid(f"operation {number} {epoch}"),
    }


def _spec(number: int) -> dict[str, Any]:
    return {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": f"{1 + number % 500}Gi"},
        "claimRef": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "name": f"data-database-{number % 1000}",
            "namespace": f"team-{number % 97}",
            "resourceVersion": str(1000 + number),
            "uid": uuid(f"claim {number}"),
        },
        "csi": {
            "driver": DRIVER,
            "fsType": "ext4",
            "volumeHandle": name(number),
            "volumeAttributes": {
                "storage.kubernetes.io/csiProvisionerIdentity": f"1767225600000-{number % 7}-{DRIVER}",
                "pool": "fast",
                "protocol": "nvme-tcp",
                "nqn": f"nqn.2026-01.com.example:{name(number)}",
                "address": f"10.1.{number % 4}.{number % 250}",
            },
        },
        "mountOptions": ["noatime", "discard"],
        "nodeAffinity": {
            "required": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            {"key": f"topology.{DRIVER}/zone", "operator": "In", "values": [f"eu-central-1{'abc'[number % 3]}"]}
                        ]
                    }
                ]
            }
        },
        "persistentVolumeReclaimPolicy": "Delete",
        "storageClassName": "fast",
        "volumeMode": "Filesystem",
    }


@asynccontextmanager
async def session(server: ApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session with the server, of at most `AT_ONCE` connections, while the block lasts."""
    connector = aiohttp.TCPConnector(ssl=server.ssl(), limit=AT_ONCE)
    headers = {**server.headers(), "Content-Type": "application/json"}
    async with aiohttp.ClientSession(server.url, connector=connector, headers=headers) as opened:
        yield opened


async def create(server: ApiServer, numbers: range) -> None:
    """Create these PVs."""
    left = iter(numbers)
    async with session(server) as http, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(_create_each(http, left))


async def _create_each(http: aiohttp.ClientSession, numbers: Iterator[int]) -> None:
    for number in numbers:
        async with http.post(PVS, data=msgspec.json.encode(pv(number))) as answer:
            if answer.status != 201:
                raise RuntimeError(f"PersistentVolume {name(number)} can't be created: {answer.status} {await answer.text()}")
            await answer.read()

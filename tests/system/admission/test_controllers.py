"""Kubernetes' own controllers bind, protect, release and delete PVs with a record on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from mooring.client import MooringClient
from mooring.devstack.kubernetes import RealKubernetes
from mooring.devstack.process import running
from tests.devstack.contract.api import PVS, Answer, Api
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.system.admission.conftest import pv
from worker import MooringWorker

CLAIMS: Final = "/api/v1/namespaces/default/persistentvolumeclaims"
CONTROLLERS: Final = "persistentvolume-binder-controller,persistentvolume-protection-controller"


@pytest.fixture
async def controllers(assets: Path, guarded: RealKubernetes, tmp_path: Path) -> AsyncIterator[None]:
    """The kube-controller-manager, as admin."""
    command = [
        f"{assets}/kube-controller-manager",
        f"--kubeconfig={guarded.write_kubeconfig(tmp_path / 'kubeconfig')}",
        f"--controllers={CONTROLLERS}",
        "--leader-elect=false",
        "--secure-port=0",
        "--pvclaimbinder-sync-period=1s",
    ]
    async with running(command, tmp_path / "kube-controller-manager.log", tmp_path):
        yield


async def becomes(admin: Api, path: str, wanted: Callable[[Answer], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not wanted(await admin.get(path)):
            await asyncio.sleep(0.05)


def phase(wanted: str) -> Callable[[Answer], bool]:
    return lambda answer: bool(answer.body["status"].get("phase") == wanted)


def claim(name: str) -> dict[str, Any]:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "",
        "volumeName": name,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


async def test_a_held_volume_is_bound_protected_released_and_deleted(
    controllers: None, worker: MooringWorker, cluster: Cluster, mooring: MooringClient, admin: Api, name: str
) -> None:
    path = f"{PVS}/{name}"
    await admin.create(PVS, pv(name))
    await mooring.publish(name, "node-a")

    await admin.create(CLAIMS, claim(name))
    await becomes(admin, path, phase("Bound"))
    await becomes(admin, path, lambda answer: "kubernetes.io/pv-protection" in answer.metadata["finalizers"])
    assert (await cluster.annotations(name, name=name))[cluster.keys.node] == "node-a"

    await admin.send("DELETE", f"{CLAIMS}/{name}")
    await becomes(admin, path, phase("Released"))
    await admin.send("DELETE", path)
    await becomes(admin, path, lambda answer: answer.code == 404)

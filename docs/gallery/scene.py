"""Some 200 operations with every possible outcome, for the screenshots in docs/operations.md."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from temporalio.client import Client

from docs.gallery.backend import NAME
from mooring import names
from mooring.client import MooringClient
from mooring.devstack.kubernetes import EmbeddedKubernetes
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.proxy import FaultProxy
from mooring.devstack.temporal import DevTemporal
from mooring.devstack.volumes import create_all
from mooring.devstack.workers import NO_CONFIGURATION, WorkerProcess
from mooring.errors import MooringError
from mooring.evacuation.client import start_evacuation
from mooring.models import AccessMode, AccessType, PublishRequest, VolumeRef
from mooring.models.evacuation import EvacuateRequest
from mooring.models.reconciliation import ReconcileRequest
from mooring.settings import default_task_queue

DRIVER: Final = "block.csi.example"
QUEUE: Final = default_task_queue(DRIVER)
GLIMPSE: Final = 1.5
"""Seconds after which an operation that hangs is left to hang."""
SETTINGS: Final = {
    "MOORING_DRIVER": DRIVER,
    "MOORING_BACKEND": NAME,
    "MOORING_MIGRATION_DEADLINE": "5",
    "MOORING_RECONCILE_SETTLE": "1",
    "MOORING_LOG_LEVEL": "ERROR",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The running scene: the address of its UI, and its clients."""

    ui: str
    client: Client
    mooring: MooringClient


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """Play all operations, and keep the scene up while the block lasts."""
    async with AsyncExitStack() as parts:
        kubernetes = ApiServer((await parts.enter_async_context(EmbeddedKubernetes.start())).url)
        proxy = await parts.enter_async_context(FaultProxy.start(kubernetes.kubeconfig()))
        temporal = await parts.enter_async_context(DevTemporal.start(ui_port=0, folder=folder))
        config = str(proxy.write_kubeconfig(folder / "kubeconfig"))
        environ = {**NO_CONFIGURATION, **SETTINGS, **temporal.environ, "KUBECONFIG": config}
        await parts.enter_async_context(WorkerProcess.start(environ, folder / "worker.log"))
        client = await temporal.connect()
        mooring = MooringClient(client, driver=DRIVER)
        await create_all(kubernetes, map(_pv, HANDLES))
        await _play(mooring, client, proxy)
        yield Scene(temporal.ui_url or "", client, mooring)


def _handles(word: str, many: int) -> list[str]:
    return [f"{word}-{number:03}" for number in range(1, many + 1)]


USUAL: Final = _handles("vol", 70)
FULL: Final = _handles("full", 6)
STUCK: Final = ["slow-001", "half-001"]
BUSY: Final = _handles("busy", 3)
LOCKED: Final = _handles("locked", 2)
HANDLES: Final = [*USUAL, *FULL, *STUCK, *BUSY, *LOCKED, "vm-001"]


def _pv(handle: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pv-{handle}"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": {"driver": DRIVER, "volumeHandle": handle},
        },
    }


async def _play(mooring: MooringClient, client: Client, proxy: FaultProxy) -> None:
    await _all(mooring.publish(volume, _node(number)) for number, volume in enumerate(USUAL))
    await _all(mooring.publish(volume, _node(number + 1)) for number, volume in enumerate(USUAL[:12]))  # refused
    await _all(mooring.unpublish(volume, _node(number)) for number, volume in enumerate(USUAL[:40]))
    await _all(mooring.publish(volume, _node(number + 2)) for number, volume in enumerate(USUAL[:30]))
    await _all(mooring.unpublish(volume, _node(number + 2)) for number, volume in enumerate(USUAL[:10]))
    await _all(mooring.publish(volume, "node-4") for volume in FULL)
    await _all(mooring.publish(volume, "node-5") for volume in (*BUSY, *LOCKED))
    await _all(mooring.unpublish(volume, "node-5") for volume in BUSY)
    proxy.fail("PATCH", path="locked", status=403)
    await _all(mooring.unpublish(volume, "node-5") for volume in LOCKED)
    await _all(mooring.publish(volume, "node-6", deadline=GLIMPSE) for volume in ("later-001", "later-002"))  # no PV yet
    await _all(mooring.publish(volume, "node-7", deadline=GLIMPSE) for volume in STUCK)
    await _all(mooring.request_publish(_migrating(node)) for node in ("node-1",))
    await _all(mooring.request_publish(_migrating(node)) for node in ("node-2",))
    await _terminate(mooring, client)
    await start_evacuation(client, QUEUE, EvacuateRequest(driver=DRIVER, node_id="node-6", asked_by="an operator"))
    await client.execute_workflow(names.RECONCILE, ReconcileRequest(driver=DRIVER), id=names.reconcile_id(DRIVER), task_queue=QUEUE)


def _node(number: int) -> str:
    return f"node-{number % 6 + 1}"


def _migrating(node: str) -> PublishRequest:
    return PublishRequest(
        driver=DRIVER,
        volume_handle="vm-001",
        node_id=node,
        access_mode=AccessMode.MULTI_NODE_MULTI_WRITER,
        access_type=AccessType(block=True),
    )


async def _terminate(mooring: MooringClient, client: Client) -> None:
    """Terminate an operation, as an impatient operator does."""
    await _all([mooring.publish("slow-002", "node-3", deadline=GLIMPSE)])
    run = client.get_workflow_handle(names.volume_id(VolumeRef(driver=DRIVER, volume_handle="slow-002")))
    await run.terminate("it took too long")


async def _all(operations: Iterable[Awaitable[object]]) -> None:
    """Carry out the operations, a few at once, whatever their outcome."""
    turns = asyncio.Semaphore(8)

    async def one(operation: Awaitable[object]) -> None:
        async with turns:
            with suppress(MooringError):
                await operation

    await asyncio.gather(*(one(operation) for operation in operations))

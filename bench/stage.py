"""The servers and the volumes that operations are measured on: a tuned development server of Temporal, and a real API server if
KUBEBUILDER_ASSETS is set (else the embedded one, which no row is about).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from bench.pvs import DRIVER, create, name
from mooring import names
from mooring.client import MooringClient
from mooring.devstack.folders import own_folder
from mooring.devstack.temporal import DevTemporal
from mooring.devstack.workers import WorkerProcess
from mooring.models import VolumeRef
from mooring.settings import default_task_queue
from tests.harness.kubernetes import Kubernetes, open_kubernetes


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers, the environment that leads a worker to them, and `volumes` that nobody has used yet."""

    temporal: DevTemporal
    kubernetes: Kubernetes
    environ: Mapping[str, str]
    folder: Path
    client: Client
    volumes: Iterator[str]

    @property
    def mooring(self) -> MooringClient:
        """A client of the workers."""
        return MooringClient(self.client, driver=DRIVER, task_queue=default_task_queue(DRIVER))

    def worker(self, **settings: str) -> AbstractAsyncContextManager[WorkerProcess]:
        """Run a worker with these settings besides, ready from the beginning."""
        return WorkerProcess.start({**self.environ, **settings}, self.folder / "worker.log")

    def take(self, count: int) -> list[str]:
        """Return so many volumes that nobody has used yet."""
        return [next(self.volumes) for _ in range(count)]


async def history(client: Client, handle: str) -> tuple[int, int]:
    """Return the events and the bytes of the history of the volume's last operation."""
    volume = names.volume_id(VolumeRef(driver=DRIVER, volume_handle=handle))
    events = (await client.get_workflow_handle(volume).fetch_history()).events
    return len(events), sum(event.ByteSize() for event in events)


@asynccontextmanager
async def opened_stage(volumes: int) -> AsyncIterator[Stage]:
    """Run the servers, with so many volumes that are free and half as many that are attached, while the block lasts."""
    found = os.environ.get("KUBEBUILDER_ASSETS")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(own_folder("mooring-bench")))
        temporal = await stack.enter_async_context(DevTemporal.start())
        kubernetes = await stack.enter_async_context(open_kubernetes(Path(found) if found else None, folder))
        numbers = range(3 * volumes // 2 + 2)
        await create(kubernetes.admin, numbers)
        config = kubernetes.account.write_kubeconfig(folder / "kubeconfig")
        mooring = {"MOORING_DRIVER": DRIVER, "MOORING_RECONCILE_INTERVAL": "0"}
        environ = {**os.environ, **temporal.environ, "KUBECONFIG": str(config), **mooring}
        free = iter([name(number) for number in numbers if number % 3])
        yield Stage(temporal, kubernetes, environ, folder, await temporal.connect(), free)
